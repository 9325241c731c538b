/* pinsweep report: sweeps, diffs and impact analyses as one HTML page. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/setup.h"
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/history/load.h"
#include "engine/page/page.h"

struct report {
    const char *output_file, *title;
    int64_t at_unix_s;
    bool overwrite;
    FILE *out;
    char temporary[4096];
};

/* What an input turned out to be. */
enum report_kind { REPORT_SWEEP, REPORT_DIFF, REPORT_IMPACT };

static bool set_output_file(void *context, const char *value, const char **out_why) {
    *out_why = "give a file name";
    ((struct report *)context)->output_file = value;
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
    ((struct report *)context)->overwrite = true;
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
    page_begin(&page, report->out, report->title, subtitle, now);
    enum err err = ERR_NONE;
    for (int i = 0; i < count && err == ERR_NONE; i++) {
        enum report_kind kind = kind_of(files[i]);
        err = kind == REPORT_SWEEP ? add_sweep(&page, files[i], note)
                                   : add_records(&page, files[i], kind, note);
    }
    page_end(&page);
    return err;
}

/* --- output: beside its place first, so that a page is there whole or not at all --- */

static enum err open_output(struct report *report, struct err_note *note) {
    struct stat info;
    if (strcmp(report->output_file, "-") == 0) {
        report->out = stdout;
        return ERR_NONE;
    }
    bool exists = stat(report->output_file, &info) == 0;
    if (exists && !report->overwrite && (!S_ISREG(info.st_mode) || info.st_size > 0)) {
        return err_note(note, ERR_USAGE, "%s: the file exists and is not empty; say --overwrite",
                        report->output_file);
    }
    int len = snprintf(report->temporary, sizeof report->temporary, "%s.%ld.new",
                       report->output_file, (long)getpid());
    report->out = len < (int)sizeof report->temporary ? fopen(report->temporary, "wxe") : NULL;
    if (report->out == NULL) {
        return err_note(note, ERR_IO, "%s: cannot open for writing: %s", report->output_file,
                        strerror(errno));
    }
    return ERR_NONE;
}

static enum err close_output(struct report *report, enum err err, struct err_note *note) {
    bool failed = ferror(report->out) != 0 || fflush(report->out) != 0;
    bool is_file = report->out != stdout;
    failed = (is_file && fclose(report->out) != 0) || failed;
    if (is_file && err == ERR_NONE && !failed) {
        failed = rename(report->temporary, report->output_file) != 0;
    }
    int error_number = errno;
    if (is_file && (err != ERR_NONE || failed)) {
        unlink(report->temporary);
    }
    if (err == ERR_NONE && failed) {
        return err_note(note, ERR_IO, "%s: cannot write: %s",
                        is_file ? report->output_file : "standard output", strerror(error_number));
    }
    return err;
}

int cmd_report(int argc, char **argv) {
    struct report report = {
        .output_file = "report.html", .title = "pinsweep report", .at_unix_s = DATETIME_NONE};
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
    enum err err = open_output(&report, &note);
    if (err == ERR_NONE) {
        err = write_page(&report, argv, operand_count, &note);
        err = close_output(&report, err, &note);
    }
    if (err != ERR_NONE) {
        log_error("%s", note.text);
    } else if (report.out != stdout) {
        log_info("%s", report.output_file);
    }
    return err_exit_code(err);
}
