# The rules of style that can be checked by a script.
exec sh tools/lint.sh --rules
