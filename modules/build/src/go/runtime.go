// Package runtime moves handles and memory between the module and its host.
package runtime

import (
	"runtime"
	"unsafe"
)

// Handle is the number of a resource. It is zero once the resource is handed on or given back.
type Handle struct {
	number int32
}

// MakeHandle returns a handle that owns a resource.
func MakeHandle(number int32) *Handle { return &Handle{number} }

// Use returns the number. It panics if the resource was handed on.
func (handle *Handle) Use() int32 {
	if handle.number == 0 {
		panic("a resource was used after it had been handed on or dropped")
	}
	return handle.number
}

// Take returns the number and forgets it. It panics if the resource was handed on.
func (handle *Handle) Take() int32 {
	number := handle.Use()
	handle.number = 0
	return number
}

// TakeOrNil returns the number and forgets it. It returns zero if the resource was handed on.
func (handle *Handle) TakeOrNil() int32 {
	number := handle.number
	handle.number = 0
	return number
}

// Set gives a resource to an empty handle.
func (handle *Handle) Set(number int32) {
	if handle.number != 0 {
		panic("a handle has a resource already")
	}
	handle.number = number
}

// Allocate returns zeroed memory, which stays in its place until the pinner lets go of it. Eight is the largest alignment
// that a component asks for.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	memory := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(memory)
	return memory
}

// What the host gives during a call. It is pinned until the bindings have read it.
var received runtime.Pinner

// Unpin lets go of what the host gave.
func Unpin() { received.Unpin() }

// Go's runtime starts with calls of the host, which ask for memory. There is no heap yet.
var (
	started  bool
	early    [3 << 16]byte
	earlyEnd uintptr
)

func init() { started = true }

//go:wasmimport wasi_snapshot_preview1 adapter_monotonic_clock_set_paused
func pauseClock(paused bool)

//go:wasmexport cabi_realloc
func allocateForHost(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil {
		panic("the host asked for more of the same memory")
	}
	if started {
		// The garbage collector looks at the clock, and the host cannot be called in here.
		pauseClock(true)
		memory := Allocate(&received, size, align)
		pauseClock(false)
		return memory
	}
	begin := uintptr(unsafe.Pointer(&early)) + earlyEnd
	begin = (begin + align - 1) &^ (align - 1)
	earlyEnd = begin + size - uintptr(unsafe.Pointer(&early))
	if earlyEnd > uintptr(len(early)) {
		panic("the start needs more memory than is set aside for it")
	}
	return unsafe.Pointer(begin)
}
