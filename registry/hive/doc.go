// Package hive reads offline registry hives: the regf files SYSTEM, SOFTWARE, NTUSER.DAT and so on, from a backup, a
// disk image or a shadow copy, on any system and without cgo. It reads only; it never changes a hive.
//
// The two calls most people need:
//
//	snapshot, err := registry.Collect("SYSTEM", hive.Decoder{Guess: true}.Decode(f)) // all of it
//	h, err := hive.Open(data, hive.Options{}); k, err := h.Lookup(`Select`)             // one key
//
// A hive copied from a running Windows is usually dirty: its last changes are only in the files .LOG1 and .LOG2
// beside it. Open refuses such a hive with ErrDirty unless it gets the logs, in the old or the new format, in
// Options.Logs; with Options.Tolerant it reads the state before those changes and says so in Hive.Warnings.
//
// Nothing in a damaged file can make this package panic, loop or allocate much more than the size of the file:
// every offset must lead to the start of an allocated cell, and Entries uses each cell once.
//
// Not supported: format versions before 1.3 (old releases of Windows NT), the files of transactional registry (.TxR), and
// layered keys of containers, which are read as if they were plain ones. Deleted keys are not searched for.
//
// The format is not documented by Microsoft; the facts are those of "Windows registry file format specification"
// (M. Suhanov), checked against libhivex value by value.
package hive
