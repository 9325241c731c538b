/* Private to the importers: an XML document as a tree whose elements know their lines (expat). No
   entities but the five of XML and character references, nothing external, bounded nesting and
   size. Comments and processing instructions are dropped. The tree lives in the caller's arena. */
#ifndef PINSWEEP_POLICY_IMPORT_XML_H
#define PINSWEEP_POLICY_IMPORT_XML_H

#include "engine/policy/import_set.h"

struct xml_element {
    const char *name;
    const char **attributes; /* name, value, name, value ..., NULL */
    struct span text;        /* all character data directly inside, a NUL follows */
    struct xml_element *parent, *first, *last, *next;
    uint32_t line;
};

enum err import_xml_read(struct import *import, struct span xml,
                         const struct xml_element **out) MUST_USE;
/* NULL if it has none of that name. */
const char *import_xml_attribute(const struct xml_element *element, const char *name);

#endif
