// SPDX-License-Identifier: GPL-2.0-only
/*
 * rdma_register FILE: registers mappings of FILE for RDMA with a device made of
 * software, as a program does that hands what it has mapped to a network card or
 * an accelerator, and prints what came of it. Takes root and rdma_rxe.ko.
 */
#include <fcntl.h>
#include <linux/netlink.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_netlink.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

enum { LENGTH = 4 << 20 };

static void add_attribute(struct nlmsghdr *message, int type, const char *text)
{
	struct nlattr *attribute = (void *)message + NLMSG_ALIGN(message->nlmsg_len);

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + strlen(text) + 1;
	strcpy((char *)attribute + NLA_HDRLEN, text);
	message->nlmsg_len = NLMSG_ALIGN(message->nlmsg_len) + NLA_ALIGN(attribute->nla_len);
}

/* What "rdma link add soft type rxe netdev lo" does. */
static void add_device(void)
{
	const int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_RDMA);
	union {
		struct nlmsghdr header;
		char bytes[512];
	} message = { 0 }, answer;
	const struct nlmsgerr *error = NLMSG_DATA(&answer.header);

	message.header.nlmsg_type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK);
	message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	message.header.nlmsg_len = NLMSG_HDRLEN;
	add_attribute(&message.header, RDMA_NLDEV_ATTR_DEV_NAME, "soft");
	add_attribute(&message.header, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
	add_attribute(&message.header, RDMA_NLDEV_ATTR_NDEV_NAME, "lo");
	if (send(fd, &message, message.header.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(*error)))
		die("netlink");
	errno = -error->error;
	if (errno != 0 && errno != EEXIST)
		die("a device of software");
	close(fd);
}

/* Sends a command of @size bytes, whose header is filled in here. Return: errno or 0. */
static int command(int device, int number, void *request, size_t size, size_t answer_size)
{
	struct ib_uverbs_cmd_hdr *header = request;

	header->command = number;
	header->in_words = size / 4;
	header->out_words = answer_size / 4;
	return ERRNO_OF(write(device, request, size));
}

static uint32_t protection_domain(int device)
{
	struct {
		struct ib_uverbs_cmd_hdr header;
		struct ib_uverbs_get_context body;
	} get_context = { 0 };
	struct ib_uverbs_get_context_resp context;
	struct {
		struct ib_uverbs_cmd_hdr header;
		struct ib_uverbs_alloc_pd body;
	} alloc = { 0 };
	struct ib_uverbs_alloc_pd_resp domain;

	get_context.body.response = (uintptr_t)&context;
	if (command(device, IB_USER_VERBS_CMD_GET_CONTEXT, &get_context, sizeof(get_context),
		    sizeof(context)) != 0)
		die("a context");
	alloc.body.response = (uintptr_t)&domain;
	if (command(device, IB_USER_VERBS_CMD_ALLOC_PD, &alloc, sizeof(alloc), sizeof(domain)) != 0)
		die("a protection domain");
	return domain.pd_handle;
}

/* Registers memory that is only read from. Return: errno or 0. */
static int register_memory(int device, uint32_t domain, const void *memory)
{
	struct {
		struct ib_uverbs_cmd_hdr header;
		struct ib_uverbs_reg_mr body;
	} request = { 0 };
	struct ib_uverbs_reg_mr_resp region;

	request.body.response = (uintptr_t)&region;
	request.body.start = (uintptr_t)memory;
	request.body.hca_va = (uintptr_t)memory;
	request.body.length = LENGTH;
	request.body.pd_handle = domain;
	return command(device, IB_USER_VERBS_CMD_REG_MR, &request, sizeof(request), sizeof(region));
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int flags;
	} mappings[] = { { "shared", MAP_SHARED }, { "private", MAP_PRIVATE } };
	uint32_t domain;
	int device, fd;
	size_t i;

	if (argc != 2)
		die("wrong usage");
	add_device();
	device = open("/dev/infiniband/uverbs0", O_RDWR);
	fd = open(argv[1], O_RDONLY);
	if (device < 0 || fd < 0)
		die("%s and %s", "/dev/infiniband/uverbs0", argv[1]);
	domain = protection_domain(device);
	for (i = 0; i < sizeof(mappings) / sizeof(mappings[0]); i++) {
		void *memory = mmap(NULL, LENGTH, PROT_READ, mappings[i].flags, fd, 0);

		if (memory == MAP_FAILED)
			die("mmap");
		printf("%s%s: %s", i == 0 ? "" : ", ", mappings[i].name,
		       errno_name(register_memory(device, domain, memory)));
		munmap(memory, LENGTH);
	}
	putchar('\n');
	return 0;
}
