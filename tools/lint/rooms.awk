# rooms.awk: a room includes only itself and the rooms above it (`rooms`: their order). The rooms in `users` are built
# like a user's program: the public headers, their own room, and the helpers of base. A .def is a table of text that any
# room may read (the expressions of the elementwise operations are compiled by the kernels), and fp.h is everybody's.
BEGIN {
    n = split(rooms, list)
    for (i = 1; i <= n; i++) rank[list[i]] = i
    n = split(users, list)
    for (i = 1; i <= n; i++) user[list[i]] = 1
}
function say(message) { print FILENAME ":" FNR ": " message }
FNR == 1 {
    split(FILENAME, part, "/")
    room = part[2]
    if (FILENAME ~ /^src\/[^\/]*\// && !(room in rank)) say("room " room " is not in tools/rooms.txt")
}
FILENAME == "src/all.c" { next }
/^[ \t]*#[ \t]*include[ \t]*"/ {
    path = $0
    sub(/^[^"]*"/, "", path)
    sub(/".*/, "", path)
    if (path ~ /^gemel\// || path ~ /(^|\/)math\/fp\.h$/ || path ~ /\.def$/) next
    other = room
    if (path ~ /\//) {
        while (sub(/^\.\.\//, "", path)) continue
        if (path ~ /\//) { split(path, part, "/"); if (part[1] in rank) other = part[1] }
    }
    if (other == room) next
    if (rank[other] > rank[room]) say(room " includes " path ": " other " is below it")
    else if ((room in user) && other != "base") say(room " includes " path ": it may use the public headers, its own and base")
}
