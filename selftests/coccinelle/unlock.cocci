// SPDX-License-Identifier: MIT OR LGPL-2.1
//
// Who took a lock gives it back on every way out.

@bad exists@
expression lock;
position where;
@@
(
pthread_mutex_lock(lock);
... when != pthread_mutex_unlock(lock)
return@where ...;
|
mutex_lock(lock);
... when != mutex_unlock(lock)
return@where ...;
|
spin_lock(lock);
... when != spin_unlock(lock)
return@where ...;
|
down_read(lock);
... when != up_read(lock)
return@where ...;
|
down_write(lock);
... when != \( up_write(lock) \| downgrade_write(lock) \)
return@where ...;
)

@script:python@
where << bad.where;
lock << bad.lock;
@@
print("%s:%s: unlock %s" % (where[0].file, where[0].line, lock))
