// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// The same of the records that the kernel alone may write where there is the module, so
// not for the module.  Events are looked at in copies.

@fine@
expression e, i;
{struct zc_member_record, struct zc_writer_slot, struct zc_reader_slot,
 struct zc_cleaner_slot, struct zc_segment_record} *p;
identifier f, g;
position where;
@@
\( &p->f@where \| &p->f@where.g \| &p->f@where[e] \| &p->f@where[e].g \|
   &p->f@where[e][i] \| &p->f@where[e][i].g \| sizeof(p->f@where) \|
   &p[e].f@where \| &p[e].f@where[i] \| &p[e].f@where[i].g \| sizeof(p[e].f@where) \|
   READ_ONCE(p->f@where) \| READ_ONCE(p[e].f@where) \|
   WRITE_ONCE(p->f@where, e) \| WRITE_ONCE(p[e].f@where, i) \)

@bad@
{struct zc_member_record, struct zc_writer_slot, struct zc_reader_slot,
 struct zc_cleaner_slot, struct zc_segment_record} *p;
identifier f;
expression i;
position where != fine.where;
@@
\( p->f@where \| p[i].f@where \)

@script:python@
where << bad.where;
f << bad.f;
@@
print("%s:%s: plain_record %s" % (where[0].file, where[0].line, f))
