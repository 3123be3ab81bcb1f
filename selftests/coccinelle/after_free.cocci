// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// What was freed is not looked at any more, and not freed again.

@bad@
expression gone, other;
identifier f;
position where;
@@
\( free(gone); \| kfree(gone); \| kvfree(gone); \)
... when != gone = other
    when != &gone
\( gone@where->f \| *gone@where \| free(gone@where) \| kfree(gone@where) \| kvfree(gone@where) \)

@script:python@
where << bad.where;
@@
print("%s:%s: after_free use" % (where[0].file, where[0].line))
