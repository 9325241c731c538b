#include "engine/page/page.h"

#include "engine/page/html.h"

/* Colours by category: the worse, the warmer; told apart by lightness too, and never alone: names
   and numbers stand beside them. Light, dark and print share the rules, only the variables differ.
 */
static const char style[] =
    ":root{--bg:#fff;--fg:#1b1f24;--dim:#5b6570;--line:#d9dee4;--soft:#f5f7f9;--c1:#b3261e;"
    "--c2:#8e2f8f;--c3:#d1571b;--c4:#d99a00;--c5:#8a6d3b;--c6:#7b8794;--c7:#1f7a8c;--c8:#6b8fb5;"
    "--c9:#2e7d4f;--c10:#c3ccd5}\n"
    "@media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e6eaee;--dim:#9aa6b2;"
    "--line:#313a44;--soft:#1b2128;--c1:#ff7a6e;--c2:#d78ad8;--c3:#ff9a5c;--c4:#f2c14e;--c5:#"
    "c8a878;"
    "--c6:#8f9aa6;--c7:#55b9cc;--c8:#8fb4dc;--c9:#5fc389;--c10:#46515d}}\n"
    "*{box-sizing:border-box}body{margin:0 "
    "auto;max-width:72rem;padding:1.5rem;background:var(--bg);"
    "color:var(--fg);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto "
    "Sans',sans-serif}\n"
    "h1{font-size:1.6rem;margin:0}h2{font-size:1.3rem;margin:2.5rem 0 .25rem;padding-top:1rem;"
    "border-top:2px solid var(--fg)}h3{font-size:1.05rem;margin:1.75rem 0 .25rem}"
    "p{margin:.25rem 0 .75rem}.dim,p.note,header p{color:var(--dim)}\n"
    "code{font:13px/1.4 ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;"
    "overflow-wrap:anywhere}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1rem 0;padding:0;list-style:none}"
    ".tiles li{flex:1 1 8rem;padding:.75rem 1rem;background:var(--soft);border:1px solid "
    "var(--line);"
    "border-left:5px solid var(--line);border-radius:6px}.tiles b{display:block;font-size:1.6rem;"
    "line-height:1.2;font-variant-numeric:tabular-nums}.tiles span{color:var(--dim)}"
    ".tiles .t-bad{border-left-color:var(--c1)}.tiles .t-warn{border-left-color:var(--c4)}"
    ".tiles .t-good{border-left-color:var(--c9)}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;margin:.5rem "
    "0;padding:0;list-style:none}"
    ".legend svg{vertical-align:-1px}\n"
    "svg.bar{display:block;width:100%;height:30px;border-radius:4px;background:var(--soft)}"
    "svg.columns{display:block;width:100%;height:auto;margin:.5rem 0}"
    "svg.columns line{stroke:var(--line)}svg.columns text{fill:var(--dim);font-size:12px}"
    "svg text.end{text-anchor:end}svg rect{fill:var(--c6)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}"
    "caption{position:absolute;left:-9999px}th,td{padding:.3rem .45rem;text-align:left;"
    "vertical-align:top;border-bottom:1px solid var(--line)}thead "
    "th{color:var(--dim);font-weight:600;"
    "border-bottom:2px solid var(--line)}tbody th{font-weight:500;overflow-wrap:anywhere;"
    "min-width:10rem}table.e tbody "
    "th{min-width:15rem}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "thead "
    ".n{white-space:normal;font-size:.87em}.none{color:var(--dim);opacity:.45}td.bars{width:30%;"
    "min-width:8rem}"
    "td.bars svg{display:block;width:100%;height:14px;margin-top:.3rem}\n"
    ".w{font-weight:600;white-space:nowrap}.w::before{content:'';display:inline-block;width:.6rem;"
    "height:.6rem;margin-right:.4rem;border-radius:2px;background:var(--c6)}\n"
    "nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;padding:0;margin:.75rem 0 "
    "0;list-style:none}"
    "a{color:var(--c7)}footer{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--line);"
    "color:var(--dim)}\n"
    ".c-mismatch,.c-breaks,.c-failing,.c-worse,.c-unreachable{fill:var(--c1)!important}"
    ".c-off-path,.c-unknown-future-key,.c-anchor{fill:var(--c2)!important}"
    ".c-no-path,.c-already-broken,.c-gone{fill:var(--c3)!important}"
    ".c-path-dependent,.c-survives-on-last-pin,.c-not-durable,.c-expiring{fill:var(--c4)!important}"
    ".c-expired-pinset,.c-unenforced-expired,.c-unenforced,.c-pin-set{fill:var(--c5)!important}"
    ".c-unknown{fill:var(--c6)!important}"
    ".c-match-backup,.c-survives-on-backup,.c-on-backup,.c-intermediate,.c-new{fill:var(--c7)"
    "!important}.c-report-only,.c-leaf,.c-changed{fill:var(--c8)!important}"
    ".c-match,.c-ok,.c-survives-on-primary,.c-durable,.c-better{fill:var(--c9)!important}"
    ".c-unpinned{fill:var(--c10)!important}\n"
    ".w-mismatch::before,.w-breaks::before,.w-worse::before{background:var(--c1)}"
    ".w-off-path::before,.w-unknown-future-key::before{background:var(--c2)}"
    ".w-no-path::before,.w-already-broken::before{background:var(--c3)}"
    ".w-path-dependent::before,.w-survives-on-last-pin::before{background:var(--c4)}"
    ".w-expired-pinset::before,.w-unenforced-expired::before{background:var(--c5)}"
    ".w-match-backup::before,.w-survives-on-backup::before{background:var(--c7)}"
    ".w-report-only::before{background:var(--c8)}"
    ".w-match::before,.w-ok::before,.w-better::before,.w-survives-on-primary::before{background:"
    "var(--c9)}.w-unpinned::before{background:var(--c10)}\n"
    "@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--line:#bbb;--soft:#fff}body{max-width:none;"
    "padding:0;font-size:10pt}nav{display:none}h2,h3{break-after:avoid}tr,svg,.tiles "
    "li{break-inside:"
    "avoid}.wide{overflow:visible}svg rect,.w::before{print-color-adjust:exact;"
    "-webkit-print-color-adjust:exact}}\n";

void page_begin(struct page *page, FILE *out, const char *title, const char *subtitle,
                int64_t now_unix_s) {
    *page = (struct page){.out = out, .now_unix_s = now_unix_s};
    html_raw(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n"
                  /* nothing is loaded, whatever the data holds */
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                  "img-src data:; "
                  "style-src 'unsafe-inline'\">\n"
                  "<link rel=\"icon\" href=\"data:,\">\n<title>");
    html_text(out, title);
    html_raw(out, "</title>\n<style>\n");
    html_raw(out, style);
    html_raw(out, "</style>\n</head>\n<body>\n<header><h1>");
    html_text(out, title);
    html_raw(out, "</h1>");
    if (subtitle[0] != '\0') {
        html_raw(out, "<p>");
        html_text(out, subtitle);
        html_raw(out, "</p>");
    }
    html_raw(out, "</header>\n<main>\n");
}

void page_end(struct page *page) {
    html_raw(page->out, "</main>\n<footer>Written by pinsweep " PINSWEEP_VERSION " on ");
    html_date(page->out, page->now_unix_s);
    html_raw(page->out, ". Times are UTC; keys are named by the SHA-256 of their "
                        "SubjectPublicKeyInfo, as pins are.</footer>\n</body>\n</html>\n");
}

static void write_heading(struct page *page, int level, const char *heading, const char *note) {
    fprintf(page->out, "<h%d>", level);
    html_text(page->out, heading);
    fprintf(page->out, "</h%d>\n", level);
    if (note[0] != '\0') {
        html_raw(page->out, "<p class=\"note\">");
        html_text(page->out, note);
        html_raw(page->out, "</p>\n");
    }
}

void page_part(struct page *page, const char *heading, const char *note) {
    page->part_count++;
    write_heading(page, 2, heading, note);
}

void page_section(struct page *page, const char *heading, const char *note) {
    write_heading(page, 3, heading, note);
}

void page_tiles_begin(struct page *page) {
    html_raw(page->out, "<ul class=\"tiles\">\n");
}

void page_tile(struct page *page, const char *class_name, uint64_t count, const char *what) {
    fprintf(page->out, "<li class=\"%s\"><b>", class_name);
    html_count(page->out, count);
    html_raw(page->out, "</b><span>");
    html_text(page->out, what);
    html_raw(page->out, "</span></li>\n");
}

void page_tiles_end(struct page *page) {
    html_raw(page->out, "</ul>\n");
}

void page_nothing(struct page *page, const char *what) {
    html_raw(page->out, "<p class=\"dim\">");
    html_text(page->out, what);
    html_raw(page->out, "</p>\n");
}

bool page_worst_begin(struct page *page, const struct page_worst *worst, uint64_t total) {
    char note[120] = "Worst first.";
    if (total > PAGE_WORST_MAX) {
        snprintf(note, sizeof note, "Worst first: %d of %llu; the records have all.",
                 PAGE_WORST_MAX, (unsigned long long)total);
    }
    page_section(page, worst->heading, total > 0 ? note : "");
    if (total == 0) {
        page_nothing(page, worst->nothing);
        return false;
    }
    fprintf(page->out,
            "<div class=\"wide\"><table class=\"e\"><caption>%s</caption><thead><tr>"
            "<th scope=\"col\">endpoint</th><th scope=\"col\">%s</th><th scope=\"col\">pin "
            "set</th><th scope=\"col\">why</th><th scope=\"col\">owner</th><th scope=\"col\" "
            "class=\"n\">%s</th></tr></thead><tbody>\n",
            worst->caption, worst->word, worst->end);
    return true;
}

void page_worst_row(struct page *page, const struct page_worst_row *row) {
    FILE *out = page->out;
    html_raw(out, "<tr><th scope=\"row\">");
    html_text(out, row->endpoint);
    fprintf(out, "</th><td><span class=\"w w-%s\">%s</span></td><td>", row->word, row->word);
    html_text(out, row->pin_set);
    html_raw(out, "</td><td>");
    html_text(out, row->why);
    html_raw(out, "</td><td>");
    html_text(out, row->owner);
    html_raw(out, "</td><td class=\"n\">");
    html_text(out, row->end[0] != '\0' ? row->end : "\xE2\x80\x93");
    html_raw(out, "</td></tr>\n");
}

void page_worst_end(struct page *page) {
    html_raw(page->out, "</tbody></table></div>\n");
}
