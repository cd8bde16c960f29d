.intel_syntax noprefix
.globl _start
# offsets: 0 state, 4 sleeping(server), 8 nr, 16.. a..f (6*8) =>64, 64 result, 72 client waiting(u32), 76 spin, 80 next block, 88 alive pointer
remote:            # (block, nr, a, b, c, d, e, f)
  mov [rdi+8], rsi
  mov [rdi+16], rdx
  mov [rdi+24], rcx
  mov [rdi+32], r8
  mov [rdi+40], r9
  mov rax, [rsp+8]
  mov [rdi+48], rax
  mov rax, [rsp+16]
  mov [rdi+56], rax
  mov eax, 1
  mov ecx, 2
  lock cmpxchg [rdi], ecx
  jne 9f
  cmp dword ptr [rdi+4], 0
  je await
  mov eax, 202
  mov esi, 1      # FUTEX_WAKE
  mov edx, 1
  syscall
await:             # rdi = block
  mov ecx, [rdi+76]
1: mov eax, [rdi]
  cmp eax, 2
  jne 8f
  pause
  dec ecx
  jnz 1b
  mov eax, 1
  xchg [rdi+72], eax
2: mov eax, 202
  xor esi, esi    # FUTEX_WAIT
  mov edx, 2
  lea r10, [rdi+96]   # timespec
  syscall
  mov ecx, [rdi]
  cmp ecx, 2
  jne 3f
  cmp rax, -110   # ETIMEDOUT
  jne 2b
  mov dword ptr [rdi+72], 0
  mov rax, -100001
  ret
3: mov dword ptr [rdi+72], 0
  mov eax, ecx
8: test eax, eax
  je 9f
  mov rax, [rdi+64]
  ret
9: mov rax, -100000
  ret
serve:  # rbx = block
  mov ecx, [rbx+76]
1: cmp dword ptr [rbx], 2
  je go
  pause
  dec ecx
  jnz 1b
  mov eax, 1
  xchg [rbx+4], eax
2: cmp dword ptr [rbx], 2
  je 3f
  mov rax, [rbx+88]
  cmp dword ptr [rax], 0
  je orphan
  mov eax, 202
  mov rdi, rbx
  xor esi, esi
  mov edx, 1
  lea r10, [rbx+112]
  syscall
  jmp 2b
3: mov dword ptr [rbx+4], 0
go:
  mov rax, [rbx+8]
  mov rdi, [rbx+16]
  mov rsi, [rbx+24]
  mov rdx, [rbx+32]
  mov r10, [rbx+40]
  mov r8, [rbx+48]
  mov r9, [rbx+56]
  mov rbp, [rbx+80]
  cmp eax, 56
  je clone
  syscall
answer:
  mov [rbx+64], rax
  mov eax, 1
  xchg [rbx], eax
  cmp dword ptr [rbx+72], 0
  je serve
  mov eax, 202
  mov rdi, rbx
  mov esi, 1
  mov edx, 1
  syscall
  jmp serve
clone:
  syscall
  test rax, rax
  jnz answer
  mov rbx, rbp
  xor ebp, ebp
  jmp answer
orphan:
  mov eax, 231
  mov edi, 255
  syscall
start:  # (flags, block) : clones the thread that serves; runs on the caller's thread
  push rbx
  mov rbx, rsi
  mov eax, 56
  mov rsi, [rbx+128]   # stack
  mov rdx, [rbx+136]   # ptid
  mov r10, [rbx+144]   # ctid
  xor r8d, r8d
  xor r9d, r9d
  syscall
  test rax, rax
  jz serve
  pop rbx
  ret
