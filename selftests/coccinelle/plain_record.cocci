// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// The same of the records that the kernel alone may write where there is the module, so
// not for the module.

@fine@
expression e;
{struct zc_member_record, struct zc_writer_slot, struct zc_reader_slot} *p;
identifier f, g;
position where;
@@
\( &p->f@where \| &p->f@where[e] \| &p->f@where[e].g \| sizeof(p->f@where) \|
   READ_ONCE(p->f@where) \| WRITE_ONCE(p->f@where, e) \)

@bad@
{struct zc_member_record, struct zc_writer_slot, struct zc_reader_slot} *p;
identifier f;
position where != fine.where;
@@
p->f@where

@script:python@
where << bad.where;
f << bad.f;
@@
print("%s:%s: plain_record %s" % (where[0].file, where[0].line, f))
