/* pinsweep report: sweeps, diffs and impact analyses as one HTML page. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/outfile.h"
#include "cli/setup.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/history/load.h"
#include "engine/page/page.h"

struct report {
    const char *title;
    int64_t at_unix_s;
    struct outfile output;
};

/* What an input turned out to be. */
enum report_kind { REPORT_SWEEP, REPORT_DIFF, REPORT_IMPACT };

static bool set_output_file(void *context, const char *value, const char **out_why) {
    *out_why = "give a file name";
    ((struct report *)context)->output.file = value;
    return value[0] != '\0';
}

static bool set_title(void *context, const char *value, const char **out_why) {
    (void)out_why;
    ((struct report *)context)->title = value;
    return true;
}

static bool set_at(void *context, const char *value, const char **out_why) {
    *out_why = "give a date (2027-03-15) or an RFC 3339 time (2027-03-15T12:00:00Z)";
    return datetime_parse(span_str(value), &((struct report *)context)->at_unix_s);
}

static bool set_overwrite(void *context, const char *value, const char **out_why) {
    (void)value, (void)out_why;
    ((struct report *)context)->output.overwrite = true;
    return true;
}

static const struct opt report_options[] = {
    OPT_GROUP("Output"),
    {'o', "output-file", "FILE", "the page; \"-\": standard output (report.html)", set_output_file},
    {0, "overwrite", NULL, "replace an existing file", set_overwrite},
    {0, "title", "TEXT", "of the page (pinsweep report)", set_title},
    {0, "at", "DATE", "count what ends from that date on (now)", set_at},
    OPT_END,
};

static void print_help(const struct opt_table *table) {
    puts("usage: pinsweep report FILE... [OPTIONS]\n"
         "\n"
         "One HTML page of sweeps, diffs and impact analyses: needs no network and no scripts, "
         "prints.\n"
         "FILE is a sweep's NDJSON or a store (its latest sweep that ended by itself; FILE#NAME: "
         "that one), or the\n"
         "NDJSON of `pinsweep diff` or `pinsweep impact`; what it is, its first line tells.\n"
         "\n"
         "  pinsweep report last-night.ndjson -o report.html\n"
         "  pinsweep diff fleet.db#previous fleet.db#latest --output ndjson > diff.ndjson\n"
         "  pinsweep report fleet.db diff.ndjson -o report.html");
    opt_print(table);
}

/* --- inputs --- */

/* From the first line, as far as it takes: types stand near the front of every record. A FILE#ID is
   a sweep's. */
static enum report_kind kind_of(const char *file) {
    char head[256] = "";
    FILE *in = fopen(file, "re");
    size_t len = in != NULL ? fread(head, 1, sizeof head - 1, in) : 0;
    head[len] = '\0';
    if (in != NULL) {
        fclose(in);
    }
    head[strcspn(head, "\n")] = '\0';
    return strstr(head, "\"type\":\"change\"") != NULL ||
                   strstr(head, "\"type\":\"diff-summary\"") != NULL
               ? REPORT_DIFF
           : strstr(head, "\"type\":\"impact") != NULL ? REPORT_IMPACT
                                                       : REPORT_SWEEP;
}

static enum err add_sweep(struct page *page, const char *file, struct err_note *note) {
    struct snapshot_load_options options = {.keep_der = KEEP_DER_NONE};
    struct snapshot snapshot;
    snapshot_init(&snapshot);
    enum err err = snapshot_load(file, NULL, &options, &snapshot, note);
    if (err == ERR_NONE) {
        err = page_sweep(page, &snapshot, note);
    }
    snapshot_fini(&snapshot);
    return err;
}

static enum err add_records(struct page *page, const char *file, enum report_kind kind,
                            struct err_note *note) {
    FILE *in = fopen(file, "re");
    if (in == NULL) {
        return err_note(note, ERR_INPUT, "%s: cannot open: %s", file, strerror(errno));
    }
    enum err err =
        kind == REPORT_DIFF ? page_diff(page, in, file, note) : page_impact(page, in, file, note);
    fclose(in);
    return err;
}

static enum err write_page(struct report *report, char **files, int count, struct err_note *note) {
    struct page page;
    char subtitle[512] = "";
    int64_t now = report->at_unix_s != DATETIME_NONE ? report->at_unix_s
                                                     : clock_wall_ms(&clock_system) / 1000;
    for (int i = 0, len = 0; i < count && len < (int)sizeof subtitle; i++) {
        len += snprintf(subtitle + len, sizeof subtitle - (size_t)len, "%s%s", i > 0 ? ", " : "",
                        files[i]);
    }
    page_begin(&page, report->output.out, report->title, subtitle, now);
    enum err err = ERR_NONE;
    for (int i = 0; i < count && err == ERR_NONE; i++) {
        enum report_kind kind = kind_of(files[i]);
        err = kind == REPORT_SWEEP ? add_sweep(&page, files[i], note)
                                   : add_records(&page, files[i], kind, note);
    }
    page_end(&page);
    return err;
}

int cmd_report(int argc, char **argv) {
    struct report report = {
        .output = {.file = "report.html"}, .title = "pinsweep report", .at_unix_s = DATETIME_NONE};
    const struct opt *const parts[] = {report_options, NULL};
    struct opt_table table = {.parts = parts, .context = &report};
    struct err_note note;
    int operand_count;
    bool help;
    if (!opt_parse(&table, "report", argc, argv, &operand_count, &help)) {
        return 2;
    }
    if (help) {
        print_help(&table);
        return 0;
    }
    if (operand_count == 0) {
        log_error("report: give a sweep, a diff or an impact analysis: pinsweep report "
                  "verdicts.ndjson -o report.html");
        return 2;
    }
    enum err err = outfile_open(&report.output, &note);
    if (err == ERR_NONE) {
        err = write_page(&report, argv, operand_count, &note);
        if (err == ERR_NONE) {
            err = outfile_close(&report.output, true, &note);
        } else {
            outfile_drop(&report.output);
        }
    }
    if (err != ERR_NONE) {
        log_error("%s", note.text);
    } else if (!outfile_is_standard(&report.output)) {
        log_info("%s", report.output.file);
    }
    return err_exit_code(err);
}
