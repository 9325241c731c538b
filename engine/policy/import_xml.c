#include "engine/policy/import_xml.h"

#include <expat.h>

#define PIECE_BYTES (1 << 20)

struct reader {
    struct import *import;
    XML_Parser parser;
    struct xml_element *root, *open;
    uint32_t depth, elements;
    uint8_t *text; /* of the open elements, one after another */
    size_t text_len, text_capacity;
    size_t text_starts[POLICY_DEPTH_MAX + 1];
    enum err err;
};

static uint32_t line_of(const struct reader *reader) {
    return (uint32_t)XML_GetCurrentLineNumber(reader->parser);
}

static void refuse(struct reader *reader, const char *why) {
    if (reader->err == ERR_NONE) {
        reader->err = import_fail(reader->import, line_of(reader), NULL, "%s", why);
        XML_StopParser(reader->parser, XML_FALSE);
    }
}

static const char **copy_attributes(struct arena *arena, const XML_Char **attributes) {
    size_t count = 0;
    while (attributes[count] != NULL) {
        count++;
    }
    const char **copy = arena_alloc(arena, (count + 1) * sizeof *copy);
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_copy_text(arena, span_str(attributes[i]));
    }
    return copy;
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes) {
    struct reader *reader = context;
    if (reader->err != ERR_NONE) {
        return;
    }
    if (reader->depth == POLICY_DEPTH_MAX) {
        refuse(reader, "XML: elements nested too deeply: no policy needs more than 32 levels");
        return;
    }
    if (reader->elements++ == IMPORT_XML_NODES_MAX) {
        refuse(reader, "XML: too many elements: split the file");
        return;
    }
    struct arena *arena = &reader->import->scratch;
    struct xml_element *element = arena_alloc(arena, sizeof *element);
    element->name = arena_copy_text(arena, span_str(name));
    element->attributes = copy_attributes(arena, attributes);
    element->line = line_of(reader);
    element->parent = reader->open;
    if (reader->open == NULL) {
        reader->root = element;
    } else if (reader->open->last == NULL) {
        reader->open->first = reader->open->last = element;
    } else {
        reader->open->last = reader->open->last->next = element;
    }
    reader->open = element;
    reader->text_starts[++reader->depth] = reader->text_len;
}

/* Text of an element with children lies in pieces between theirs; theirs is gone by then. */
static void XMLCALL on_end(void *context, const XML_Char *name) {
    (void)name;
    struct reader *reader = context;
    if (reader->err != ERR_NONE) {
        return;
    }
    size_t start = reader->text_starts[reader->depth--], len = reader->text_len - start;
    const char *text = arena_copy_text(&reader->import->scratch,
                                       span_of(len > 0 ? reader->text + start : NULL, len));
    reader->open->text = span_of(text, len);
    reader->text_len = start;
    reader->open = reader->open->parent;
}

static void XMLCALL on_text(void *context, const XML_Char *text, int len) {
    struct reader *reader = context;
    size_t more = (size_t)len;
    if (reader->err != ERR_NONE) {
        return;
    }
    if (reader->text_capacity - reader->text_len < more) {
        size_t capacity = 2 * (reader->text_capacity + more);
        uint8_t *moved = arena_alloc(&reader->import->scratch, capacity);
        if (reader->text_len > 0) {
            memcpy(moved, reader->text, reader->text_len);
        }
        reader->text = moved;
        reader->text_capacity = capacity;
    }
    memcpy(reader->text + reader->text_len, text, more);
    reader->text_len += more;
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset) {
    (void)name, (void)system_id, (void)public_id;
    if (has_internal_subset != 0) {
        refuse(context, "XML: a document type with declarations of its own (entities?): take "
                        "them out, no client needs them");
    }
}

static void XMLCALL on_entity(void *context, const XML_Char *name, int is_parameter) {
    (void)name, (void)is_parameter;
    refuse(context, "XML: an entity that is not one of XML's five: write its text");
}

static void set_handlers(struct reader *reader) {
    XML_Parser parser = reader->parser;
    XML_SetUserData(parser, reader);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    XML_SetSkippedEntityHandler(parser, on_entity);
    XML_SetParamEntityParsing(parser, XML_PARAM_ENTITY_PARSING_NEVER);
}

enum err import_xml_read(struct import *import, struct span xml, const struct xml_element **out) {
    struct reader reader = {.import = import, .parser = XML_ParserCreate(NULL)};
    CHECK(reader.parser != NULL);
    set_handlers(&reader);
    enum XML_Status status = XML_STATUS_OK;
    bool last = false;
    while (status == XML_STATUS_OK && !last) { /* ends: every piece is shorter than the rest */
        struct span piece = span_take(&xml, PIECE_BYTES);
        last = xml.len == 0;
        status = XML_Parse(reader.parser, (const char *)piece.data, (int)piece.len, last);
    }
    if (status != XML_STATUS_OK && reader.err == ERR_NONE) {
        reader.err = import_fail(import, line_of(&reader), NULL,
                                 "XML: %s: correct the file there, or a little before",
                                 XML_ErrorString(XML_GetErrorCode(reader.parser)));
    }
    XML_ParserFree(reader.parser);
    if (reader.err == ERR_NONE) {
        *out = reader.root;
    }
    return reader.err;
}

const char *import_xml_attribute(const struct xml_element *element, const char *name) {
    for (const char **at = element->attributes; *at != NULL; at += 2) {
        if (strcmp(at[0], name) == 0) {
            return at[1];
        }
    }
    return NULL;
}
