# statistics.awk: from sorted lines "LENGTH ...", the figures of one group.
{ n++; length_of[n] = $1 }
function at(q, i) { i = int(q * n + 0.999999); return length_of[i < 1 ? 1 : i] }
END { if (n) printf "%-9s %6d functions, lines: median %d, p90 %d, p99 %d, max %d\n", group, n, at(.5), at(.9), at(.99), length_of[n] }
