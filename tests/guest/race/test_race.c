// SPDX-License-Identifier: GPL-2.0-only
/*
 * Widens the windows in which small and huge faults can meet, for threads whose
 * names begin with "race". How often, are parameters of the module, for anyone to
 * read.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

/* Faults that were made small, and delays. */
static atomic_t forced_count, delayed_count;

/*
 * The longest delays. Some small and huge faults wait for each other, for which the
 * emulator may need a while on a busy machine.
 */
#define TEST_RACE_DELAY_US 200
#define TEST_RACE_WAIT_US 10000
#define TEST_RACE_STEP_US 20

/* Small faults that wait now; huge ones that have begun and that have ended. */
static atomic_t waiting_count, begun_count, ended_count;

static int get_count(char *buffer, const struct kernel_param *param)
{
	const atomic_t *count = param->arg;

	return sysfs_emit(buffer, "%d\n", atomic_read(count));
}

static const struct kernel_param_ops count_operations = {
	.get = get_count,
};

module_param_cb(forced, &count_operations, &forced_count, 0444);
module_param_cb(delayed, &count_operations, &delayed_count, 0444);

/* Good enough for delays, and callable anywhere. */
static u32 test_random(u32 below)
{
	static atomic_t state;

	return hash_32(atomic_inc_return(&state) ^ (u32)jiffies, 16) % below;
}

static bool is_racer(const char *kind)
{
	return strncmp(current->comm, kind, strlen(kind)) == 0;
}

static unsigned long say_no(void)
{
	return 0;
}

/*
 * The first window is one of two instructions: the kernel sees that a pmd entry is
 * occupied, does not call the huge fault, and finds the entry empty when it looks
 * again. What it does then it also does where it is told that this mapping has no
 * huge faults.
 */
static int force_small(struct kprobe *probe, struct pt_regs *regs)
{
	if (!is_racer("race-small") || test_random(4) == 0)
		return 0;
	atomic_inc(&forced_count);
	instruction_pointer_set(regs, (unsigned long)say_no);
	return 1;
}

/* It keeps the probe from being made a jump, which can't change where to go on. */
static void forced_small(struct kprobe *probe, struct pt_regs *regs,
			 unsigned long flags)
{
}

/*
 * Until a huge fault has ended, or has only begun: then the thread has emptied the
 * range, and the page table may be gone.
 */
static void wait_for_huge(void)
{
	const atomic_t *count = test_random(2) ? &ended_count : &begun_count;
	const int before = atomic_read(count);
	u32 left = TEST_RACE_WAIT_US;

	atomic_inc(&waiting_count);
	for (; left > 0 && atomic_read(count) == before; left -= TEST_RACE_STEP_US)
		udelay(TEST_RACE_STEP_US);
	atomic_dec(&waiting_count);
}

/* At the entry of a function, so that interrupts stay on and a zap is not held up. */
static int delay(struct kprobe *probe, struct pt_regs *regs)
{
	if (!is_racer("race") || irqs_disabled() || test_random(2) == 0)
		return 0;
	atomic_inc(&delayed_count);
	if (is_racer("race-small") && test_random(2) == 0)
		wait_for_huge();
	else
		udelay(test_random(TEST_RACE_DELAY_US));
	return 0;
}

/* Until a small fault waits for this one. */
static int wait_for_small(struct kretprobe_instance *instance,
			  struct pt_regs *regs)
{
	u32 left = TEST_RACE_WAIT_US;

	if (!is_racer("race-huge") || irqs_disabled())
		return 0;
	atomic_inc(&begun_count);
	for (; left > 0 && atomic_read(&waiting_count) == 0; left -= TEST_RACE_STEP_US)
		udelay(TEST_RACE_STEP_US);
	udelay(test_random(TEST_RACE_DELAY_US));
	return 0;
}

static int count_huge(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	atomic_inc(&ended_count);
	return 0;
}

static struct kretprobe huge_probe = {
	.kp.symbol_name = "daxfs_huge_fault",
	.entry_handler = wait_for_small,
	.handler = count_huge,
};

/* Each kernel has some of them. */
static struct kprobe probes[] = {
	/* Whether a mapping can have huge pages. */
	{ .symbol_name = "hugepage_vma_check" },
	{ .symbol_name = "__thp_vma_allowable_orders" },
	/* Before a fault looks at anything. */
	{ .symbol_name = "daxfs_fault" },
	/* Between its look and what it inserts. */
	{ .symbol_name = "vm_insert_page" },
	{ .symbol_name = "vm_insert_pages" },
	{ .symbol_name = "vmf_insert_mixed" },
	{ .symbol_name = "vmf_insert_page_mkwrite" },
	{ .symbol_name = "vmf_insert_pfn_pmd" },
	{ .symbol_name = "vmf_insert_pfn_pmd_prot" },
	{ .symbol_name = "vmf_insert_folio_pmd" },
	{ .symbol_name = "apply_to_page_range" },
	/* Between the allocation of a page table and its use. */
	{ .symbol_name = "__pte_offset_map_lock" },
	{ .symbol_name = "pte_offset_map_lock" },
};

#define TEST_RACE_FORCING 2

static bool registered[ARRAY_SIZE(probes)];

static void test_race_exit(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (registered[i])
			unregister_kprobe(&probes[i]);
	unregister_kretprobe(&huge_probe);
}

static int __init test_race_init(void)
{
	unsigned int forcing = 0, delaying = 0;
	const int err = register_kretprobe(&huge_probe);
	size_t i;

	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		const bool forces = i < TEST_RACE_FORCING;

		probes[i].pre_handler = forces ? force_small : delay;
		probes[i].post_handler = forces ? forced_small : NULL;
		registered[i] = register_kprobe(&probes[i]) == 0;
		if (!registered[i])
			continue;
		pr_info("test_race: a probe at %s\n", probes[i].symbol_name);
		if (forces)
			forcing++;
		else
			delaying++;
	}
	if (forcing > 0 && delaying > 2)
		return 0;
	test_race_exit();
	return -ENOENT;
}

static void __exit test_race_module_exit(void)
{
	test_race_exit();
}

module_init(test_race_init);
module_exit(test_race_module_exit);

MODULE_DESCRIPTION("Widens the windows of page faults for tests");
MODULE_LICENSE("GPL");
