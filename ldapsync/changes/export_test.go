package changes

import "go.internal/hybridkit/ldapsync"

// Record puts an object into the form of the copy and takes it out again.
func Record(b []byte) (attrs []ldapsync.Attr, again []byte, err error) {
	r, err := decodeRecord(b)
	if err != nil {
		return nil, nil, err
	}
	o := ldapsync.NewObject(ldapsync.GUID{}, ldapsync.DN{}, ldapsync.User, r.attrs...)
	return r.attrs, appendRecord(nil, r.epoch, r.usn, &o), nil
}

// NewRecord is appendRecord.
func NewRecord(epoch, usn uint64, o ldapsync.Object) []byte { return appendRecord(nil, epoch, usn, &o) }
