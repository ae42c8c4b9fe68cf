package changes_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/changes"
)

// FuzzRecord: no record of a damaged State can do more than be refused; what is taken is written as it was read.
func FuzzRecord(f *testing.F) {
	o := ldapsync.NewObject(ldapsync.GUID{1}, ldapsync.MustParseDN("CN=a,DC=b"), ldapsync.User,
		ldapsync.Values("title", "Nurse"), ldapsync.Values("otherTelephone", "1", "", "3")).WithUnreadable("mail")
	f.Add(changes.NewRecord(3, 12345, o))
	f.Add(changes.NewRecord(0, 1<<63, ldapsync.Object{}))
	f.Add([]byte{1, 0, 0, 0, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		attrs, again, err := changes.Record(b)
		if err != nil {
			return
		}
		size := 0
		for _, a := range attrs {
			size += len(a.Name) + len(a.Values)
			for _, v := range a.Values {
				size += len(v)
			}
		}
		require.LessOrEqual(t, size, len(b))
		_, third, err := changes.Record(again)
		require.NoError(t, err)
		require.Equal(t, again, third)
	})
}
