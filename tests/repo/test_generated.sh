# The committed generated files are what tools/generate.sh would write.
exec sh tools/generate.sh --check
