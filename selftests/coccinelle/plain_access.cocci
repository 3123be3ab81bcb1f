// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// A word of memory that others write is touched by atomic.h only: else the compiler
// may read it twice, and check one value and use another.  Packets and what a role says
// of its type are looked at in copies that atomic.h made: not here.

@fine@
expression e, i;
{struct zc_reader_area, struct zc_writer_area, struct zc_floor, struct zc_ring_entry,
 struct zc_deferred_entry, struct zc_block_desc, struct zc_hints, struct zc_mailbox,
 struct zc_writer_mail, struct zc_reader_mail, struct zc_node_area} *p;
identifier f, g;
position where;
@@
\( &p->f@where \| &p->f@where.g \| &p->f@where[e] \| &p->f@where[e].g \|
   &p->f@where[e][i] \| &p->f@where[e][i].g \| sizeof(p->f@where) \|
   &p[e].f@where \| &p[e].f@where[i] \| &p[e].f@where[i].g \| sizeof(p[e].f@where) \|
   READ_ONCE(p->f@where) \| READ_ONCE(p[e].f@where) \|
   WRITE_ONCE(p->f@where, e) \| WRITE_ONCE(p[e].f@where, i) \)

@bad@
{struct zc_reader_area, struct zc_writer_area, struct zc_floor, struct zc_ring_entry,
 struct zc_deferred_entry, struct zc_block_desc, struct zc_hints, struct zc_mailbox,
 struct zc_writer_mail, struct zc_reader_mail, struct zc_node_area} *p;
identifier f;
expression i;
position where != fine.where;
@@
\( p->f@where \| p[i].f@where \)

@script:python@
where << bad.where;
f << bad.f;
@@
print("%s:%s: plain_access %s" % (where[0].file, where[0].line, f))
