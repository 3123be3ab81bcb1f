// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// A word of memory that others write is loaded once in a function: what was checked is
// what is used.  Asking whether it still is what it was (==, !=) is no use, and what a
// loop loads anew is another value.  Words are told by how they are written: under another
// name, or in another function, nothing is seen.

@again exists@
identifier load =~ "^(zc_load_.*|zc_segments|zc_segment_state|zc_stripe_hint|smp_load_acquire|READ_ONCE)$";
expression list what;
expression e;
position where;
@@
\( load@where(what) == e \| load@where(what) != e \|
   e == load@where(what) \| e != load@where(what) \)

@bad exists@
identifier first =~ "^(zc_load_.*|zc_segments|zc_segment_state|zc_stripe_hint|smp_load_acquire|READ_ONCE)$";
identifier second =~ "^(zc_load_.*|zc_segments|zc_segment_state|zc_stripe_hint|smp_load_acquire|READ_ONCE)$";
expression list what;
position before, where != again.where;
@@
first@before(what)
...
second@where(what)

@script:python@
before << bad.before;
where << bad.where;
what << bad.what;
@@
if int(before[0].line) < int(where[0].line):
    print("%s:%s: double_load %s" % (where[0].file, where[0].line, what))

@within@
identifier first =~ "^(zc_load_.*|zc_segments|zc_segment_state|zc_stripe_hint|smp_load_acquire|READ_ONCE)$";
identifier second =~ "^(zc_load_.*|zc_segments|zc_segment_state|zc_stripe_hint|smp_load_acquire|READ_ONCE)$";
expression list what;
expression e;
position where != again.where;
@@
(
 (<+... first(what) ...+>) && (<+... second@where(what) ...+>)
|
 (<+... first(what) ...+>) || (<+... second@where(what) ...+>)
|
 (<+... first(what) ...+>) ? (<+... second@where(what) ...+>) : e
|
 (<+... first(what) ...+>) ? e : (<+... second@where(what) ...+>)
)

@script:python@
where << within.where;
what << within.what;
@@
print("%s:%s: double_load %s" % (where[0].file, where[0].line, what))
