# text.awk: rules of spelling, one line "FILE:LINE: message" for each breach.
function say(message) { print FILENAME ":" FNR ": " message }
FNR == 1 {
    comment = 0
    source = FILENAME ~ /\.(c|h)$/
    if (source && $0 !~ /^\/\*/) say("a source file begins with a comment that says what it is")
}
/[ \t]+$/ { say("trailing blank") }
/\t/ && FILENAME !~ /Makefile/ { say("tab") }
/\r/ { say("carriage return") }
/(TODO|FIXME|XXX:)/ && FILENAME !~ /tools\/lint/ { say("unfinished: " $0) }
source {
    wide = $0
    gsub(/[\200-\277]/, "", wide) # the length in characters, not bytes
    if (length(wide) > widest) say("line of " length(wide) " characters, at most " widest)
    if ($0 !~ /\/[\/*]|\*\// && !comment) next
    text = $0
    if (comment) {
        if (text !~ /\*\//) next
        sub(/^.*\*\//, "", text)
        comment = 0
    }
    gsub(/\\\\/, "", text)
    gsub(/\\"/, "", text)
    gsub(/'"'/, "", text)
    gsub(/"[^"]*"/, "", text)
    while (match(text, /\/\*([^*]|\*+[^*\/])*\*+\//)) text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
    open_at = index(text, "/*")
    line_at = index(text, "//")
    if (line_at && (!open_at || line_at < open_at)) say("comment with //")
    else if (open_at) comment = 1
}
