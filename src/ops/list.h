/* list.h: every operation record, by name. The includer defines GM_OP. Written by tools/generate.sh. */
