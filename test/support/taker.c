/*
 * A program of a container that may trace (CAP_SYS_PTRACE): it takes what it can from each process on its way in, as long as
 * that has the name of an init, and tells of it on standard output, a line each:
 *
 *   proc DEVICE                                    its own procfs, once
 *   process PID                                    for each look at one; `seen PID` at its end
 *   fd PID NUMBER DEVICE INODE FLAGS DOMAIN LINK   what pidfd_getfd(2) took; -1 as domain: no socket
 *   link PID NUMBER LINK                           what /proc/PID/fd shows
 *   map PID PERMISSIONS NAME
 *   environ PID BYTES
 *   secret PID ADDRESS                             where the text that is in /tmp/secret is in its memory
 *
 *   sent PID NUMBER, refused PID NUMBER            whether that socket takes a descriptor
 *
 * Whose number is in /tmp/spoil, behind an m or an s, has noise written into its memory, or into its sockets, and its
 * descriptors are kept.
 */
#define _GNU_SOURCE 1
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* It needs some descriptors itself. */
enum { most_kept = 900 };
/* A process that is stopped all the time gets nowhere: how often one is looked at, and how long it is left alone then. */
enum { most_looks = 2000, rest = 1000 };

static FILE *out;
static unsigned short looks[1 << 22];
static char buffer[1 << 16], name[512], target[512];

static ssize_t slurp(const char *file) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t size = 0, got;
  while (size < (ssize_t)sizeof buffer - 1 && (got = read(fd, buffer + size, sizeof buffer - 1 - size)) > 0) size += got;
  close(fd);
  buffer[size] = 0;
  return size;
}

static int is_init(int pid) {
  snprintf(name, sizeof name, "/proc/%d/comm", pid);
  return slurp(name) > 0 && strcmp(buffer, "runfx-init\n") == 0;
}

static int has_stopped(int pid) {
  snprintf(name, sizeof name, "/proc/%d/stat", pid);
  if (slurp(name) <= 0) return 0;
  char *end = strrchr(buffer, ')');
  return end != NULL && (end[2] == 'T' || end[2] == 't');
}

static const char *link_of(const char *file) {
  ssize_t size = readlink(file, target, sizeof target - 1);
  target[size < 0 ? 0 : size] = 0;
  return size < 0 ? "?" : target;
}

/* Who reads a message closes what came with it; and that takes as long as its sender likes. */
static void send_descriptor(int pid, int number, int fd) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {"x", 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  *head = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1) fprintf(out, "sent %d %d\n", pid, number);
  else if (errno == EPERM) fprintf(out, "refused %d %d\n", pid, number);
}

static void take_descriptors(int pid, int keep, int spoil) {
  int handle = syscall(SYS_pidfd_open, pid, 0);
  if (handle < 0) return;
  for (int number = 0; number < 64; number++) {
    int fd = syscall(SYS_pidfd_getfd, handle, number, 0);
    if (fd < 0) continue;
    struct stat status;
    fstat(fd, &status);
    int domain = -1;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) domain = -1;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    fprintf(out, "fd %d %d %llu %llu %o %d %s\n", pid, number, (unsigned long long)status.st_dev,
            (unsigned long long)status.st_ino, fcntl(fd, F_GETFL), domain, link_of(name));
    if (spoil && domain >= 0 && number > 2) {
      send_descriptor(pid, number, fd);
      char noise[300];
      getrandom(noise, sizeof noise, 0);
      send(fd, noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);
      recv(fd, noise, sizeof noise, MSG_DONTWAIT);
    }
    // what it keeps stays open: nobody hears of its end. The standard streams are the test's
    if (!keep || number <= 2 || fd >= most_kept) close(fd);
  }
  close(handle);
  snprintf(name, sizeof name, "/proc/%d/fd", pid);
  DIR *directory = opendir(name);
  if (directory == NULL) return;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (!isdigit(entry->d_name[0])) continue;
    snprintf(name, sizeof name, "/proc/%d/fd/%.20s", pid, entry->d_name);
    link_of(name);
    // none: it has been killed meanwhile
    if (target[0] != 0) fprintf(out, "link %d %s %s\n", pid, entry->d_name, target);
  }
  closedir(directory);
}

/* What is in a piece of memory: the secret may begin in one buffer and end in the next. */
static void search(int pid, int memory, unsigned long from, unsigned long to, const char *secret) {
  static char piece[1 << 16];
  size_t kept = 0, length = strlen(secret);
  for (unsigned long at = from; at < to;) {
    size_t wanted = sizeof piece - kept;
    ssize_t got = pread(memory, piece + kept, wanted < to - at ? wanted : to - at, (off_t)at);
    if (got <= 0) return;
    if (memmem(piece, kept + got, secret, length) != NULL) fprintf(out, "secret %d %lx\n", pid, at);
    size_t all = kept + got;
    kept = all < length ? all : length;
    memmove(piece, piece + all - kept, kept);
    at += got;
  }
}

static void spoil_memory(int pid, unsigned long from, unsigned long to) {
  static char noise[4096];
  for (unsigned long at = from; at < to && at < from + (1 << 17); at += sizeof noise) {
    getrandom(noise, sizeof noise, 0);
    struct iovec local = {noise, sizeof noise}, remote = {(void *)at, sizeof noise};
    process_vm_writev(pid, &local, 1, &remote, 1, 0);
  }
}

/* To look for the secret takes longest: not at each look. */
static void take_memory(int pid, const char *secret, int spoil) {
  static char maps[sizeof buffer];
  snprintf(name, sizeof name, "/proc/%d/environ", pid);
  ssize_t size = slurp(name);
  // it may be killed meanwhile
  if (size >= 0) fprintf(out, "environ %d %zd\n", pid, size);
  snprintf(name, sizeof name, "/proc/%d/mem", pid);
  int memory = open(name, O_RDWR | O_CLOEXEC);
  snprintf(name, sizeof name, "/proc/%d/maps", pid);
  if (slurp(name) > 0) {
    memcpy(maps, buffer, sizeof maps);
    for (char *line = strtok(maps, "\n"); line != NULL; line = strtok(NULL, "\n")) {
      unsigned long from, to;
      char permissions[5] = "";
      int path = 0;
      if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &from, &to, permissions, &path) < 3) continue;
      fprintf(out, "map %d %s %s\n", pid, permissions, path > 0 ? line + path : "");
      if (memory >= 0 && secret != NULL && permissions[0] == 'r') search(pid, memory, from, to, secret);
      if (spoil && permissions[1] == 'w') spoil_memory(pid, from, to);
    }
  }
  if (memory >= 0) close(memory);
}

/* What is to be done to a process, if anything. */
static char harm_to(int pid) {
  if (slurp("/tmp/spoil") <= 0) return 0;
  char *line = buffer;
  for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
    if (atoi(line + 1) == pid) return line[0];
  }
  return 0;
}

int main(void) {
  static char secret[100];
  // no argument: that was in the memory of the process which became this program
  if (slurp("/tmp/secret") <= 0) return 2;
  snprintf(secret, sizeof secret, "%.99s", buffer);
  out = stdout;
  setvbuf(out, NULL, _IOLBF, 1 << 12);
  int self = getpid();
  struct stat proc;
  if (stat("/proc", &proc) != 0) return 3;
  fprintf(out, "proc %llu\n", (unsigned long long)proc.st_dev);
  for (;;) {
    DIR *processes = opendir("/proc");
    if (processes == NULL) return 3;
    for (struct dirent *entry; (entry = readdir(processes)) != NULL;) {
      int pid = atoi(entry->d_name);
      if (pid <= 0 || pid == self || looks[pid] >= most_looks || !is_init(pid)) continue;
      char harm = harm_to(pid);
      // it stands still while it is looked at: else it may be a program by then
      kill(pid, SIGSTOP);
      for (int turn = 0; turn < 1000 && !has_stopped(pid); turn++) usleep(50);
      if (is_init(pid) && has_stopped(pid)) {
        fprintf(out, "process %d\n", pid);
        take_descriptors(pid, harm != 0, harm == 's');
        take_memory(pid, looks[pid]++ % 4 == 0 ? secret : NULL, harm == 'm');
        fprintf(out, "seen %d\n", pid);
      }
      kill(pid, SIGCONT);
    }
    closedir(processes);
    usleep(rest);
  }
}
