// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module with the faults that the debug kernel has to find, else a test that
 * it finds none in daxfs would prove nothing: insmod faulty.ko fault=NAME
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

static char *fault = "none";
module_param(fault, charp, 0);

/* Unknown to the compiler, which would warn of what it can see. */
static volatile int beyond = 64;

static noinline void leak(void)
{
	void *volatile lost = kmalloc(123, GFP_KERNEL);

	lost = NULL;
}

static noinline void use_after_free(void)
{
	volatile char *memory = kzalloc(64, GFP_KERNEL);

	if (!memory)
		return;
	kfree((void *)memory);
	memory[8];
}

static noinline void out_of_bounds(void)
{
	volatile char *memory = kzalloc(64, GFP_KERNEL);

	if (!memory)
		return;
	memory[beyond] = 1;
	kfree((void *)memory);
}

static noinline void vmalloc_out_of_bounds(void)
{
	/* Not beyond the page: what follows that is not mapped. */
	volatile char *memory = vzalloc(PAGE_SIZE - 128);

	if (!memory)
		return;
	memory[PAGE_SIZE - 128 + beyond];
	vfree((void *)memory);
}

static noinline void stack_out_of_bounds(void)
{
	volatile char memory[64];

	memory[0] = 0;
	((volatile char *)memory)[beyond + memory[0]];
}

static int numbers[8];

static noinline void array_index(void)
{
	numbers[beyond / 8] = 1;
}

static noinline void shift(void)
{
	numbers[0] = 1 << beyond;
}

static noinline void sleep_under_spinlock(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static noinline void lock_order(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static const struct {
	const char *name;
	void (*run)(void);
} faults[] = {
	{ "leak", leak },
	{ "use_after_free", use_after_free },
	{ "out_of_bounds", out_of_bounds },
	{ "vmalloc_out_of_bounds", vmalloc_out_of_bounds },
	{ "stack_out_of_bounds", stack_out_of_bounds },
	{ "array_index", array_index },
	{ "shift", shift },
	{ "sleep_under_spinlock", sleep_under_spinlock },
	{ "lock_order", lock_order },
};

static int __init faulty_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		if (strcmp(faults[i].name, fault) != 0)
			continue;
		pr_info("faulty: %s\n", fault);
		faults[i].run();
		return 0;
	}
	return -EINVAL;
}

static void __exit faulty_exit(void)
{
}

module_init(faulty_init);
module_exit(faulty_exit);

MODULE_DESCRIPTION("Faults for a debug kernel to find");
MODULE_LICENSE("GPL");
