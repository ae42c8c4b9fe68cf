package hive

import (
	"errors"
	"fmt"

	"go.internal/hybridkit/registry"
)

var (
	// ErrNotHive is wrapped by the error of Open for data that is no regf file: too short or another signature.
	ErrNotHive = errors.New("hive: not a registry hive")
	// ErrVersion is wrapped by the error of Open for a format version this package cannot read.
	ErrVersion = errors.New("hive: format version not supported")
	// ErrDirty is wrapped by the error of Open for a hive whose last write did not finish (its sequence numbers
	// or its checksum say so) when no transaction log was given that completes it.
	ErrDirty = errors.New("hive: dirty, needs its transaction logs")
	// ErrCorrupt is wrapped by every *registry.SyntaxError of this package. The error has the offset in the file,
	// and as Field the kind of record: "base block", "bin", "cell", "nk", "vk", "value list", "sub-key list",
	// "data", "db", "sk", "class" or "log".
	ErrCorrupt = errors.New("corrupt hive")
	// ErrNotFound is wrapped by the errors of Lookup and Value for a key or value that is not there.
	ErrNotFound = errors.New("hive: no such key or value")
)

// corrupt returns the error for a fault in the record at off, counted from the end of the base block.
func corrupt(off uint32, record, format string, args ...any) error {
	return corruptAt(int64(off)+baseSize, record, format, args...)
}

// corruptAt is corrupt with an offset from the beginning of the file.
func corruptAt(off int64, record, format string, args ...any) error {
	return &registry.SyntaxError{Format: "hive", Pos: registry.Pos{Offset: off}, Field: record,
		Msg: fmt.Sprintf(format, args...), Err: ErrCorrupt}
}
