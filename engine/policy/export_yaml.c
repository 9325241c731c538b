#include "engine/policy/export_yaml.h"

#include <strings.h>

static int write_bytes(void *context, unsigned char *bytes, size_t len) {
    export_put_span(context, span_of(bytes, len));
    return 1;
}

static void emit(struct export_yaml *emitter, yaml_event_t *event, int made) {
    if (made && !emitter->good) {
        yaml_event_delete(event);
        return;
    }
    /* The emitter takes the event over, also when it fails. */
    emitter->good = made && yaml_emitter_emit(&emitter->libyaml, event);
}

/* --- values --- */

void export_yaml_scalar(struct export_yaml *emitter, const char *text, yaml_scalar_style_t style) {
    yaml_event_t event;
    /* Both ways implied: where plain will not do, libyaml quotes, without a tag. */
    int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                            (int)strlen(text), 1, 1, style);
    emit(emitter, &event, made);
}

/* Words of ours: keys, dates, numbers. */
void export_yaml_word(struct export_yaml *emitter, const char *word) {
    export_yaml_scalar(emitter, word, YAML_PLAIN_SCALAR_STYLE);
}

/* Words that YAML readers take for something else (YAML 1.1 ones among them). */
static bool is_special(const char *text) {
    static const char *const words[] = {"null", "true", "false", "yes", "no",
                                        "on",   "off",  "y",     "n"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcasecmp(words[i], text) == 0) {
            return true;
        }
    }
    return text[0] == '\0' || (text[0] >= '0' && text[0] <= '9');
}

/* Plain where a reader cannot take it for anything but text. */
void export_yaml_text(struct export_yaml *emitter, const char *text) {
    bool safe = !is_special(text);
    for (const char *at = text; *at != '\0' && safe; at++) {
        bool alnum =
            (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        safe = alnum || (at > text && strchr("._-/+@=", *at) != NULL);
    }
    export_yaml_scalar(emitter, text,
                       safe ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

void export_yaml_begin_map(struct export_yaml *emitter, bool flow) {
    yaml_event_t event;
    emit(emitter, &event,
         yaml_mapping_start_event_initialize(
             &event, NULL, NULL, 1, flow ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE));
}

void export_yaml_end_map(struct export_yaml *emitter) {
    yaml_event_t event;
    emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

void export_yaml_begin_list(struct export_yaml *emitter, bool flow) {
    yaml_event_t event;
    emit(emitter, &event,
         yaml_sequence_start_event_initialize(
             &event, NULL, NULL, 1, flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE));
}

void export_yaml_end_list(struct export_yaml *emitter) {
    yaml_event_t event;
    emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

void export_yaml_key_text(struct export_yaml *emitter, const char *key, const char *text) {
    if (text[0] != '\0') {
        export_yaml_word(emitter, key);
        export_yaml_text(emitter, text);
    }
}

void export_yaml_key_word(struct export_yaml *emitter, const char *key, const char *word) {
    export_yaml_word(emitter, key);
    export_yaml_word(emitter, word);
}

/* --- the document --- */

enum err export_yaml_begin(struct export_yaml *out, struct export *export) {
    yaml_event_t event;
    *out = (struct export_yaml){.export = export, .good = true};
    if (!yaml_emitter_initialize(&out->libyaml)) {
        return err_note(export->note, ERR_RESOURCE, "out of memory");
    }
    yaml_emitter_set_output(&out->libyaml, write_bytes, &export->out->file);
    yaml_emitter_set_unicode(&out->libyaml, 1);
    yaml_emitter_set_indent(&out->libyaml, 2);
    yaml_emitter_set_width(&out->libyaml, -1);
    emit(out, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(out, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    return ERR_NONE;
}

enum err export_yaml_end(struct export_yaml *emitter) {
    yaml_event_t event;
    emit(emitter, &event, yaml_document_end_event_initialize(&event, 1));
    emit(emitter, &event, yaml_stream_end_event_initialize(&event));
    enum err err = ERR_NONE;
    if (!emitter->good) {
        err =
            err_note(emitter->export->note, ERR_CONFIG,
                     "YAML cannot be written: %s: is a name or note not UTF-8?",
                     emitter->libyaml.problem != NULL ? emitter->libyaml.problem : "out of memory");
    }
    yaml_emitter_delete(&emitter->libyaml);
    return err;
}
