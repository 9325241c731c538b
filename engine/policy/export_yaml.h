/* Private to the exporters of YAML: a document under way, by libyaml's emitter. A failure is
   remembered and told at the end. */
#ifndef PINSWEEP_POLICY_EXPORT_YAML_H
#define PINSWEEP_POLICY_EXPORT_YAML_H

#include <yaml.h>

#include "engine/policy/export_set.h"

struct export_yaml {
    struct export *export;
    yaml_emitter_t libyaml;
    bool good;
};

/* Into export->out->file. After ERR_NONE export_yaml_end() must be called. */
enum err export_yaml_begin(struct export_yaml *out, struct export *export) MUST_USE;
enum err export_yaml_end(struct export_yaml *emitter) MUST_USE;

void export_yaml_scalar(struct export_yaml *emitter, const char *text, yaml_scalar_style_t style);
/* Words of ours: keys, dates, numbers. */
void export_yaml_word(struct export_yaml *emitter, const char *word);
/* Anything: quoted where a reader could take it for something else than text. */
void export_yaml_text(struct export_yaml *emitter, const char *text);
void export_yaml_begin_map(struct export_yaml *emitter, bool flow);
void export_yaml_end_map(struct export_yaml *emitter);
void export_yaml_begin_list(struct export_yaml *emitter, bool flow);
void export_yaml_end_list(struct export_yaml *emitter);
/* Nothing if the text is "". */
void export_yaml_key_text(struct export_yaml *emitter, const char *key, const char *text);
void export_yaml_key_word(struct export_yaml *emitter, const char *key, const char *word);

#endif
