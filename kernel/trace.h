/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: /sys/kernel/tracing/events/daxfs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM daxfs

#if !defined(_DAXFS_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DAXFS_TRACE_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/tracepoint.h>

#include "compat.h"

TRACE_EVENT(daxfs_lookup,
	    TP_PROTO(const struct inode *dir, const struct qstr *name, u32 ino,
		     int error),
	    TP_ARGS(dir, name, ino, error),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, dir)
			     __field(u32, ino)
			     __field(int, error)
			     __string_len(name, name->name, name->len)),
	    TP_fast_assign(__entry->dev = dir->i_sb->s_dev;
			   __entry->dir = dir->i_ino;
			   __entry->ino = ino;
			   __entry->error = error;
			   DAXFS_ASSIGN_STR(name, name->name, name->len);),
	    TP_printk("dev %d:%d dir %llu name %s ino %u error %d",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->dir,
		      __get_str(name), __entry->ino, __entry->error)
);

TRACE_EVENT(daxfs_fault,
	    TP_PROTO(const struct inode *inode, const struct vm_fault *vmf,
		     unsigned long size, vm_fault_t result),
	    TP_ARGS(inode, vmf, size, result),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, ino)
			     __field(unsigned long, address)
			     __field(pgoff_t, page)
			     __field(unsigned long, size)
			     __field(unsigned int, flags)
			     __field(unsigned int, result)),
	    TP_fast_assign(__entry->dev = inode->i_sb->s_dev;
			   __entry->ino = inode->i_ino;
			   __entry->address = vmf->address;
			   __entry->page = vmf->pgoff;
			   __entry->size = size;
			   __entry->flags = vmf->flags;
			   __entry->result = (__force unsigned int)result;),
	    TP_printk("dev %d:%d ino %llu address %#lx page %lu size %lu %s%s result %#x",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->ino,
		      __entry->address, __entry->page, __entry->size,
		      __entry->flags & FAULT_FLAG_WRITE ? "write" : "read",
		      __entry->flags & FAULT_FLAG_INSTRUCTION ? " exec" : "",
		      __entry->result)
);

#endif /* _DAXFS_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
