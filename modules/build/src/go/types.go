// Package types has the types of WIT that Go lacks.
package types

// Unit is a value without content.
type Unit = struct{}

// Tuple2 holds two values.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

// Tuple3 holds three values.
type Tuple3[A, B, C any] struct {
	F0 A
	F1 B
	F2 C
}

// The tags of an Option.
const (
	OptionNone = uint8(iota)
	OptionSome
)

// Option is a value, or none.
type Option[T any] struct {
	value T
	some  bool
}

// Some returns an option that has this value.
func Some[T any](value T) Option[T] { return Option[T]{value, true} }

// None returns an option that has no value.
func None[T any]() Option[T] { return Option[T]{} }

// Tag returns OptionSome or OptionNone.
func (option Option[T]) Tag() uint8 {
	if option.some {
		return OptionSome
	}
	return OptionNone
}

// IsSome tells whether it has a value.
func (option Option[T]) IsSome() bool { return option.some }

// IsNone tells whether it has no value.
func (option Option[T]) IsNone() bool { return !option.some }

// Some returns the value. It panics if there is none.
func (option Option[T]) Some() T {
	if !option.some {
		panic("the option has no value")
	}
	return option.value
}

// SomeOr returns the value, or this one if there is none.
func (option Option[T]) SomeOr(other T) T {
	if !option.some {
		return other
	}
	return option.value
}

// The tags of a Result.
const (
	ResultOk = uint8(iota)
	ResultErr
)

// Result is a value or an error.
type Result[T, E any] struct {
	ok     T
	err    E
	failed bool
}

// Ok returns a result that has this value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{ok: value} }

// Err returns a result that has this error.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{err: err, failed: true} }

// Tag returns ResultOk or ResultErr.
func (result Result[T, E]) Tag() uint8 {
	if result.failed {
		return ResultErr
	}
	return ResultOk
}

// IsOk tells whether it has a value.
func (result Result[T, E]) IsOk() bool { return !result.failed }

// IsErr tells whether it has an error.
func (result Result[T, E]) IsErr() bool { return result.failed }

// Ok returns the value. It panics if there is an error.
func (result Result[T, E]) Ok() T {
	if result.failed {
		panic("the result has an error and no value")
	}
	return result.ok
}

// Err returns the error. It panics if there is none.
func (result Result[T, E]) Err() E {
	if !result.failed {
		panic("the result has a value and no error")
	}
	return result.err
}
