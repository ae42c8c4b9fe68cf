package boltstate

import (
	"unsafe"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// dropPages tells the system that the process has no need of the pages of the mapped file for now. They stay in
// the system's cache and come back when they are looked at; without it a long scan makes the process as large as
// the file. It must be called inside a transaction, which keeps the mapping where it is.
func dropPages(tx *bolt.Tx) {
	info := tx.DB().Info()
	// The mapping is at least as large as the part of the file that the transaction knows.
	region := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), info.Data)), tx.Size())
	_ = unix.Madvise(region, unix.MADV_DONTNEED)
}
