// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// What was loaded from memory that others write is an index or a distance only as a
// local that was checked.

@bad@
expression array, word;
position where;
@@
(
array@where[<+... zc_load_relaxed(word) ...+>]
|
array@where[<+... zc_load_acquire(word) ...+>]
)

@script:python@
where << bad.where;
@@
print("%s:%s: loaded_index index" % (where[0].file, where[0].line))
