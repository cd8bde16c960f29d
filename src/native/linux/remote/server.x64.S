# System calls for another process to make: the machine code of both sides, for x86-64.
#
# A seat is a block of memory that a server, another process or a thread, shares with its client, this process. Where its
# fields are is said in Seat.ts. STATE is a futex word that belongs to a robust list of the server's (set_robust_list(2)):
#
#   the server's thread id                   it is idle
#   the same, with bit 31 (FUTEX_WAITERS)    it has been asked
#   anything with bit 30 (FUTEX_OWNER_DIED)  it has ended, or has become a program: the kernel's word, which wakes who waits
#
# The server uses no stack, and no memory but its seat.

.intel_syntax noprefix
.set STATE, 0
.set SERVER_SLEEPS, 4
.set NUMBER, 64
.set ARGUMENTS, 72
.set RESULT, 128
.set CLIENT_SLEEPS, 136
.set NEXT, 144
.set LIFELINE, 152
.set SERVER_TIMEOUT, 176
.set THREAD, 192
.set SERVER_SPINS, 196
.set ROBUST, 200
.set YIELDS, 232
.set SPINS, 236
.set CLOSES, 256
.set CLOSE_FDS, 260

# what the client keeps to itself
.set OWN_SPINS, 0
.set OWN_YIELDS, 4
.set OWN_FULL, 8
.set OWN_TIMEOUT, 16

# of a family's memory: its size, and what its first page says of the server that is made for it
.set FAMILY_SHIFT, 29
.set FAMILY_SIZE, 1 << FAMILY_SHIFT
.set BORN_SEAT, 0
.set BORN_MASK, 8
.set BORN_ERROR, 16
.set BORN_LIMIT, 20
.set BORN_IMAGE, 24
.set BORN_COUNT, 28
.set BORN_ARGV, 32
.set BORN_EMPTY, 40
.set BORN_ALL, 48
.set BORN_ENVP, 56
.set BORN_NAME, 64
.set BORN_FDS, 80

.set ASKED, 0x80000000
.set DIED, 0x40000000
.set CLOSE, 3
.set POLL, 7
.set SCHED_YIELD, 24
.set MMAP, 9
.set SIGPROCMASK, 14
.set CLONE, 56
.set FCNTL, 72
.set PRCTL, 157
.set GETTID, 186
.set FUTEX, 202
.set EXIT_GROUP, 231
.set SET_ROBUST_LIST, 273
.set EXECVEAT, 322
.set PIDFD_SEND_SIGNAL, 424
.set EBADF, 9
.set EAGAIN, 11
.set ETIMEDOUT, 110

# long wake(seat): wakes a server that sleeps, once it has been asked
.globl wake
wake:
  mov eax, FUTEX
  mov esi, 1
  mov edx, 1
  syscall
  ret

# long answer(seat, own): waits for the answer of what was asked before; -5000 where the server is gone, -5001 where it has not
# answered in time
.globl answer
answer:
  push rbx
  mov rbx, rsi
  mov ecx, [rbx + OWN_SPINS]
1:
  mov edx, [rdi + STATE]
  test edx, DIED
  jnz gone
  test edx, edx
  jns 4f
  pause
  dec ecx
  jnz 1b
  mov r8d, [rbx + OWN_YIELDS]
  lea r9d, [r8d - 1]
  jmp 6f
5:
  mov eax, SCHED_YIELD
  syscall
  mov edx, [rdi + STATE]
  test edx, DIED
  jnz gone
  test edx, edx
  jns 7f
6:
  dec r8d
  jns 5b
  mov eax, 1
  xchg [rdi + CLIENT_SLEEPS], eax
2:
  mov eax, FUTEX
  xor esi, esi
  lea r10, [rbx + OWN_TIMEOUT]
  syscall
  mov edx, [rdi + STATE]
  test edx, DIED
  jnz 3f
  test edx, edx
  jns 3f
  # the word had changed before this side slept
  cmp rax, -EAGAIN
  je 2b
  mov dword ptr [rdi + CLIENT_SLEEPS], 0
  mov rax, -5001
  pop rbx
  ret
  # the other side ran as soon as this one gave way: it is on this processor, and to look again and again is in its way
7:
  mov ecx, [rbx + OWN_FULL]
  cmp r9d, r8d
  jne 8f
  mov ecx, 1
8:
  mov [rbx + OWN_SPINS], ecx
  jmp 4f
3:
  mov dword ptr [rdi + CLIENT_SLEEPS], 0
  test edx, DIED
  jnz gone
4:
  mov rax, [rdi + RESULT]
  pop rbx
  ret
gone:
  mov rax, -5000
  pop rbx
  ret

# long thread(flags, seat, stack): clones a thread of this process that serves the seat; its number
.globl thread
thread:
  push rbx
  mov rbx, rsi
  mov rsi, rdx
  mov eax, CLONE
  syscall
  test rax, rax
  jz born
  pop rbx
  ret

# long spawn(flags, family): makes a process that serves the seat in BORN_SEAT from the program in BORN_IMAGE; its number.
# The child of clone(2) has this process's memory until execveat(2); it uses no stack, and this thread goes on. No
# descriptor is closed: those that exec would close are marked again by the program, which finds them in BORN_FDS.
.globl spawn
spawn:
  push rbx
  push r12
  mov rbx, rsi
  mov r12, rdi
  mov eax, SIGPROCMASK
  mov edi, 2
  lea rsi, [rbx + BORN_ALL]
  lea rdx, [rbx + BORN_MASK]
  mov r10d, 8
  syscall
  mov dword ptr [rbx + BORN_ERROR], 0
  mov dword ptr [rbx + BORN_COUNT], 0
  mov eax, CLONE
  mov rdi, r12
  xor esi, esi
  xor edx, edx
  xor r10d, r10d
  xor r8d, r8d
  syscall
  test rax, rax
  jz 1f
  mov r12, rax
  mov eax, SIGPROCMASK
  mov edi, 2
  lea rsi, [rbx + BORN_MASK]
  xor edx, edx
  mov r10d, 8
  syscall
  mov rax, r12
  pop r12
  pop rbx
  ret
1:
  xor r12d, r12d
2:
  cmp r12d, [rbx + BORN_LIMIT]
  jae 4f
  mov eax, FCNTL
  mov edi, r12d
  mov esi, 1
  syscall
  cmp rax, 1
  jne 3f
  mov eax, FCNTL
  mov edi, r12d
  mov esi, 2
  xor edx, edx
  syscall
  mov eax, [rbx + BORN_COUNT]
  mov [rbx + BORN_FDS + rax * 4], r12d
  inc dword ptr [rbx + BORN_COUNT]
3:
  inc r12d
  jmp 2b
4:
  mov eax, EXECVEAT
  mov edi, [rbx + BORN_IMAGE]
  lea rsi, [rbx + BORN_EMPTY]
  mov rdx, [rbx + BORN_ARGV]
  mov r10, [rbx + BORN_ENVP]
  mov r8d, 0x1000
  syscall
  mov [rbx + BORN_ERROR], eax
  mov eax, EXIT_GROUP
  mov edi, 127
  syscall
  hlt

# where the first family's memory is: written here before the program is
arena:
  .quad 0

# the program's start; argc is the descriptor of the memory, and there are so many variables as families before this one
.globl start
start:
  mov r8, [rsp]
  lea rax, [rsp + r8 * 8 + 16]
  xor edi, edi
1:
  cmp qword ptr [rax + rdi * 8], 0
  je 2f
  inc rdi
  jmp 1b
2:
  shl rdi, FAMILY_SHIFT
  add rdi, [rip + arena]
  mov eax, MMAP
  mov esi, FAMILY_SIZE
  mov edx, 3
  mov r10d, 0x11
  xor r9d, r9d
  syscall
  test rax, rax
  js orphaned
  mov r12, rax
  xor r13d, r13d
1:
  cmp r13d, [r12 + BORN_COUNT]
  jae 2f
  mov eax, FCNTL
  mov edi, [r12 + BORN_FDS + r13 * 4]
  mov esi, 2
  mov edx, 1
  syscall
  inc r13d
  jmp 1b
2:
  # what others could use who get hold of this process's descriptors
  mov eax, CLOSE
  mov rdi, [rsp]
  syscall
  mov eax, CLOSE
  mov edi, [r12 + BORN_IMAGE]
  syscall
  mov eax, SIGPROCMASK
  mov edi, 2
  lea rsi, [r12 + BORN_MASK]
  xor edx, edx
  mov r10d, 8
  syscall
  mov eax, PRCTL
  mov edi, 15
  lea rsi, [r12 + BORN_NAME]
  syscall
  mov rbx, [r12 + BORN_SEAT]

# a new server; its seat is in rbx
born:
  mov eax, GETTID
  syscall
  mov [rbx + THREAD], eax
  mov eax, SET_ROBUST_LIST
  lea rdi, [rbx + ROBUST]
  mov esi, 24
  syscall

answered:
  mov [rbx + RESULT], rax
  mov eax, [rbx + THREAD]
  xchg [rbx + STATE], eax
  cmp dword ptr [rbx + CLIENT_SLEEPS], 0
  je serve
  mov eax, FUTEX
  mov rdi, rbx
  mov esi, 1
  mov edx, 1
  syscall

serve:
  mov ecx, [rbx + SERVER_SPINS]
1:
  cmp dword ptr [rbx + STATE], 0
  jl 4f
  pause
  dec ecx
  jnz 1b
  mov r13d, [rbx + YIELDS]
  lea r14d, [r13d - 1]
  jmp 6f
5:
  mov eax, SCHED_YIELD
  syscall
  cmp dword ptr [rbx + STATE], 0
  jl 7f
6:
  dec r13d
  jns 5b
  mov eax, 1
  xchg [rbx + SERVER_SLEEPS], eax
2:
  cmp dword ptr [rbx + STATE], 0
  jl 3f
  mov eax, FUTEX
  mov rdi, rbx
  xor esi, esi
  mov edx, [rbx + THREAD]
  lea r10, [rbx + SERVER_TIMEOUT]
  syscall
  cmp rax, -ETIMEDOUT
  jne 2b
  # nobody will ask any more where the client has ended
  mov eax, POLL
  lea rdi, [rbx + LIFELINE]
  mov esi, 1
  xor edx, edx
  syscall
  test word ptr [rbx + LIFELINE + 6], 1
  jz 2b
  # another descriptor may have its number by now: then this is EBADF
  mov eax, PIDFD_SEND_SIGNAL
  mov edi, [rbx + LIFELINE]
  xor esi, esi
  xor edx, edx
  xor r10d, r10d
  syscall
  cmp rax, -EBADF
  je 2b
orphaned:
  mov eax, EXIT_GROUP
  mov edi, 255
  syscall
  hlt
  # as the client
7:
  mov ecx, [rbx + SPINS]
  cmp r14d, r13d
  jne 8f
  mov ecx, 1
8:
  mov [rbx + SERVER_SPINS], ecx
  jmp 4f
3:
  mov dword ptr [rbx + SERVER_SLEEPS], 0
  # what was done with meanwhile
4:
  mov r13d, [rbx + CLOSES]
  test r13d, r13d
  jz 9f
8:
  mov eax, CLOSE
  mov edi, [rbx + CLOSE_FDS + r13 * 4 - 4]
  syscall
  dec r13d
  jnz 8b
  mov dword ptr [rbx + CLOSES], 0
9:
  mov rax, [rbx + NUMBER]
  mov rdi, [rbx + ARGUMENTS]
  mov rsi, [rbx + ARGUMENTS + 8]
  mov rdx, [rbx + ARGUMENTS + 16]
  mov r10, [rbx + ARGUMENTS + 24]
  mov r8, [rbx + ARGUMENTS + 32]
  mov r9, [rbx + ARGUMENTS + 40]
  cmp eax, CLONE
  je 5f
  syscall
  jmp answered
5:
  mov r12, [rbx + NEXT]
  syscall
  test rax, rax
  jnz answered
  mov rbx, r12
  jmp born
