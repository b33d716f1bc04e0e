# api.awk: one public header as Markdown. Comments in column one are text, what follows each is its code; a comment
# "---- Title ----" is a heading. With -v index_file=F the names of functions and macros are appended there as links.
function flush_code(    title) {
    if (code == "") return
    if (text == "" && all_hashes(code)) { code = ""; return } # plumbing: preprocessor lines without a word
    title = name_in(code)
    if (title != "") {
        print "\n### `" title "`\n"
        if (index_file) list_names(code)
    }
    if (text != "") print text "\n"
    print "```c\n" code "```"
    code = text = ""
}
function all_hashes(chunk,    lines, n, i) {
    n = split(chunk, lines, "\n")
    for (i = 1; i < n; i++) if (lines[i] !~ /^#/) return 0
    return 1
}
function flush_text() {
    if (text != "") print "\n" text
    text = ""
}
function name_in(chunk,    m) {
    if (match(chunk, /gm_[a-z0-9_]+\(/)) return substr(chunk, RSTART, RLENGTH - 1)
    if (match(chunk, /#[ ]*define +GM_[A-Z0-9_]+/)) { m = substr(chunk, RSTART, RLENGTH); sub(/.* /, "", m); return m }
    if (match(chunk, /\} *gm_[a-z0-9_]+;/)) { m = substr(chunk, RSTART + 1, RLENGTH - 2); sub(/^ */, "", m); return m }
    if (match(chunk, /(struct|typedef [a-z0-9_ ]*) gm_[a-z0-9_]+/)) { m = substr(chunk, RSTART, RLENGTH); sub(/.* /, "", m); return m }
    return ""
}
function list_names(chunk,    rest, name, lines, n, i) {
    n = split(chunk, lines, "\n")
    for (i = 1; i <= n; i++) {
        if (lines[i] !~ /^GM_API/ && lines[i] !~ /^#[ ]*define +GM_[A-Z]/) continue
        name = name_in(lines[i])
        if (name != "") print name "\t" page "\t" name_in(chunk) >> index_file
    }
}
FNR == 1 { n = split(FILENAME, part, "/"); page = part[n]; sub(/\.h$/, "", page); print "# gemel/" part[n] }
/^#ifdef __cplusplus/ { skipping = 1 }
skipping { if (/^(#endif|#else)/) skipping = 0; next }
/^#(ifndef|define) GEMEL_/ || /^#include/ || /^#endif/ || /^#else/ || /^#ifdef/ { flush_code(); next }
comment {
    line = $0
    over = sub(/ *\*\/.*$/, "", line)
    sub(/^ *\* ?/, "", line)
    if (line ~ /^-+$/) line = ""
    text = text "\n" line
    if (over) comment = 0
    next
}
/^\/\* ---- / {
    flush_code(); flush_text()
    title = $0
    over = sub(/ *\*\/.*$/, "", title)
    sub(/^\/\* ---- */, "", title)
    sub(/ *-+ *$/, "", title)
    print "\n## " title
    comment = !over
    next
}
/^\/\*/ {
    flush_code(); flush_text()
    text = $0
    over = sub(/ *\*\/.*$/, "", text)
    sub(/^\/\* */, "", text)
    comment = !over
    next
}
/^[ \t]*$/ { flush_code(); flush_text(); next }
{ code = code $0 "\n" }
END { flush_code(); flush_text() }
