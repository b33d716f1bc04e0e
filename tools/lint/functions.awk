# functions.awk: one line "LENGTH FILE:LINE NAME" per function definition of C files.
# A definition starts in column one, has a parameter list before its brace, and ends with a brace in column one.
function name_of(text) {
    sub(/\(.*/, "", text)
    sub(/[ \t]+$/, "", text)
    sub(/.*[^A-Za-z0-9_]/, "", text)
    return text
}
FNR == 1 { inside = 0; head = ""; comment = 0 }
{
    line = $0
    if (comment) {
        if (line !~ /\*\//) next
        comment = 0
        sub(/^.*\*\//, "", line)
    }
    if (!inside) gsub(/\/\*([^*]|\*[^\/])*\*\//, "", line)
    if (!inside && line ~ /\/\*/) { comment = 1; sub(/\/\*.*/, "", line) }
}
inside { if ($0 ~ /^}/) { print FNR - start + 1, FILENAME ":" start, name; inside = 0 } next }
line ~ /^#/ { head = ""; continued = line ~ /\\$/; next }
continued { continued = line ~ /\\$/; next }
head == "" && line !~ /^[A-Za-z_]/ { next }
{
    if (head == "") start = FNR
    head = head " " line
    if (head !~ /[{;]/) next
    body = head
    sub(/\{.*/, "", body)
    if (head ~ /\{/ && body ~ /\)[ \t]*$/ && body !~ /=/ && body !~ /;/) {
        name = name_of(body)
        if (line ~ /\}[ \t]*$/) print 1, FILENAME ":" start, name
        else inside = 1
    } else if (head ~ /\{/ && head !~ /\}/ && head !~ /extern *"C"/) {
        braces = 1
        while (braces > 0 && (getline line) > 0) if (line ~ /^}/) braces = 0
    }
    head = ""
}
