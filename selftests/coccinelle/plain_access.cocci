// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// A word of memory that others write is touched by atomic.h only: else the compiler
// may read it twice, and check one value and use another.

@fine@
expression e;
{struct zc_reader_area, struct zc_writer_area, struct zc_floor, struct zc_ring_entry, struct zc_block_desc} *p;
identifier f, g;
position where;
@@
\( &p->f@where \| &p->f@where[e] \| &p->f@where[e].g \| sizeof(p->f@where) \|
   READ_ONCE(p->f@where) \| WRITE_ONCE(p->f@where, e) \)

@bad@
{struct zc_reader_area, struct zc_writer_area, struct zc_floor, struct zc_ring_entry, struct zc_block_desc} *p;
identifier f;
position where != fine.where;
@@
p->f@where

@script:python@
where << bad.where;
f << bad.f;
@@
print("%s:%s: plain_access %s" % (where[0].file, where[0].line, f))
