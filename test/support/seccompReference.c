/*
 * What libseccomp makes of filters: reads them as lines of text, writes for each one the program that seccomp(2) would
 * load and libseccomp's own pseudo code of it. `test/support/seccompReference.ts` writes and reads these lines.
 *
 *   cc -o /tmp/reference test/support/seccompReference.c -lseccomp
 *   SECCOMP_REFERENCE=/tmp/reference npx vitest run --project unit test/steps/seccomp/generated.test.ts
 */
#define _GNU_SOURCE
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *word(void) { return strtok(NULL, " \n"); }

static void print_file(const char *name, int fd, const char *format, int newline)
{
	int size = lseek(fd, 0, SEEK_END);
	unsigned char *bytes = malloc(size + 1);
	if (pread(fd, bytes, size, 0) != size)
		exit(1);
	printf("%s ", name);
	for (int i = 0; i < size; i++)
		printf(format, bytes[i] == '\n' ? newline : bytes[i]);
	printf("\n");
	free(bytes);
	close(fd);
}

int main(void)
{
	static char line[1 << 16];
	scmp_filter_ctx filter = NULL;
	int failed = 0;

	while (fgets(line, sizeof line, stdin)) {
		char *what = strtok(line, " \n"), *name;
		if (what == NULL)
			continue;
		if (strcmp(what, "filter") == 0) {
			filter = seccomp_init(strtoul(word(), NULL, 16));
			failed = 0;
			while ((name = word()) != NULL) {
				int result = seccomp_arch_add(filter, seccomp_arch_resolve_name(name));
				if (result != 0 && result != -EEXIST)
					failed = result;
			}
		} else if (strcmp(what, "rule") == 0) {
			unsigned action = strtoul(word(), NULL, 16);
			int number = seccomp_syscall_resolve_name(word()), count = atoi(word()), result;
			struct scmp_arg_cmp args[6];
			for (int i = 0; i < count; i++) {
				args[i].arg = atoi(word());
				args[i].op = atoi(word());
				args[i].datum_a = strtoull(word(), NULL, 10);
				args[i].datum_b = strtoull(word(), NULL, 10);
			}
			if (number == __NR_SCMP_ERROR)
				continue;
			result = seccomp_rule_add_array(filter, action, number, count, args);
			if (result != 0 && failed == 0)
				failed = result;
		} else if (strcmp(what, "end") == 0) {
			if (failed != 0) {
				printf("refused %d\n", failed);
			} else {
				int pseudo = memfd_create("pseudo", 0), program = memfd_create("program", 0);
				seccomp_export_pfc(filter, pseudo);
				seccomp_export_bpf(filter, program);
				print_file("pseudo", pseudo, "%c", '|');
				print_file("program", program, "%02x", '\n');
			}
			seccomp_release(filter);
		}
	}
	return 0;
}
