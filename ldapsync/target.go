package ldapsync

import (
	"context"
	"fmt"
	"iter"
)

// A Target is a directory that changes are written to. An implementation is finished when targettest.Run
// passes. Methods may be called concurrently.
type Target interface {
	// Info identifies the server.
	Info(ctx context.Context) (DirectoryInfo, error)

	// Container finds an organisational unit; see Source. A target without containers returns the zero
	// Container for the zero ContainerRef.
	Container(ctx context.Context, ref ContainerRef) (Container, error)

	// Read streams the objects the query selects; see Source.
	Read(ctx context.Context, q Query) iter.Seq2[Object, error]

	// Get returns the named attributes of one object, or an error wrapping ErrNotFound.
	Get(ctx context.Context, id GUID, attrs []string) (Object, error)

	// Write carries out one change as a whole or not at all and returns the identity of the object. It
	//   - refuses with an error wrapping ErrPrecondition if an attribute is no longer as Edit.Before says (compared
	//     as sets of bytes), unless every edit is already as Edit.After says: then it writes nothing and succeeds;
	//   - refuses with ErrExists to create what is there, and with ErrNotFound to change what is not;
	//   - succeeds when what it shall delete is already gone, and when what it shall rename has the name already;
	//   - writes nothing if ctx has ended before it begins;
	//   - wraps ErrTransient when the same call may succeed later and nothing was written, and ErrUnclear when
	//     the connection was lost and it is not known whether the change was made.
	Write(ctx context.Context, c Change) (GUID, error)
}

// TrackChecker is implemented by targets that know, without reading anything, which tracks they can never carry out:
// attributes that are read-only there, objects they cannot create. The engine asks before every Plan, Apply and Undo.
type TrackChecker interface {
	// CheckTrack returns everything that is wrong with the track, joined, each with the way out.
	CheckTrack(t Track) error
}

// An Op is what a Change does.
type Op uint8

// The operations. The zero Op is none.
const (
	OpCreate Op = iota + 1 // a new object at DN, with the attributes After
	OpUpdate               // attributes of the object ID
	OpRename               // the RDN of the object ID, named in NewName
	OpDelete               // the object ID
)

var opNames = [...]string{OpCreate: "create", OpUpdate: "update", OpRename: "rename", OpDelete: "delete"}

// String returns the name.
func (o Op) String() string {
	if o == 0 || int(o) >= len(opNames) {
		return fmt.Sprintf("Op(%d)", uint8(o))
	}
	return opNames[o]
}

// A Change is one write to one object of a Target.
type Change struct {
	Op    Op
	ID    GUID  // of the target object; zero for OpCreate
	Class Class // of the object; says to a create which object classes it needs
	DN    DN    // OpCreate: where; else where it was when the plan was made, for messages only

	// NewName is the new value of the RDN, unescaped, for OpRename; OldName is what it must be before.
	NewName, OldName string

	// Edits are the attributes: for OpCreate all that shall be set besides the naming attribute, which DN gives;
	// for OpUpdate those that change, each once. An OpCreate has no Before. For OpDelete
	// they are preconditions only: Before must still hold. None for OpRename.
	Edits []Edit
}

// An Edit is one attribute of a Change: from exactly Before to exactly After. No values mean absent.
type Edit struct {
	Attr          string
	Before, After []string
}
