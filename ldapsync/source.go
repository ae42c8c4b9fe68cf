package ldapsync

import (
	"context"
	"iter"
	"time"
)

// A ContainerRef names an organisational unit: by objectGUID where ID is set, which survives renaming and
// moving, else by DN.
type ContainerRef struct {
	DN string `json:"dn,omitempty"`
	ID GUID   `json:"id,omitzero"`
}

// A Container is an organisational unit that was found.
type Container struct {
	ID GUID
	DN DN
}

// DirectoryInfo identifies the server that answered, so that a swapped or restored domain controller is
// noticed. Fields a directory does not have are zero.
type DirectoryInfo struct {
	Kind         string    `json:"kind"`                  // "active-directory", "ldap", "ldif", "memory", "entra"
	Server       string    `json:"server,omitempty"`      // dnsHostName of the domain controller
	InvocationID GUID      `json:"invocationId,omitzero"` // of its database; changes when it is restored
	HighestUSN   uint64    `json:"highestUsn,omitempty"`  // highestCommittedUSN
	Time         time.Time `json:"time,omitzero"`         // the server's clock
	Domain       Domain    `json:"domain,omitzero"`       // the domain it serves
	Partial      bool      `json:"partial,omitempty"`     // a Global Catalog port: attributes are silently missing
}

// A Domain carries the names that on-premises sign-on needs beside a user's own attributes (Microsoft, "How
// SSO to on-premises resources works on Entra joined devices").
type Domain struct {
	FQDN    string `json:"fqdn,omitempty"`    // ashdown.example
	NetBIOS string `json:"netbios,omitempty"` // ASHDOWN
}

// A Query says what to read. It is passed to sources and targets alike.
type Query struct {
	Class     Class     // zero: entries of every kind
	Container Container // where; the zero Container is the whole target where that makes sense (Entra ID)
	Subtree   bool      // false: only objects directly in the container
	Filter    string    // RFC 4515, in addition to the class; "" for none
	Attrs     []string  // the attributes wanted; identity and DN come always
}

// A Source is a directory that objects are read from. An implementation is finished when targettest.RunSource
// passes. Methods may be called concurrently.
type Source interface {
	// Info identifies the server that the following reads will use.
	Info(ctx context.Context) (DirectoryInfo, error)

	// Container finds an organisational unit. The error wraps ErrNotFound if it is not there or not visible.
	Container(ctx context.Context, ref ContainerRef) (Container, error)

	// ChildContainers lists the organisational units directly below c.
	ChildContainers(ctx context.Context, c Container) ([]Container, error)

	// Read streams the objects the query selects, each once, in any order. An error ends the sequence and means
	// that what came before is a part and proves nothing about what did not come. A sequence that ends without
	// error is complete as far as the account can see.
	//
	// An attribute the source knows to be unreadable is Unreadable; one it merely did not get is Absent (see
	// AbsenceVerifier).
	Read(ctx context.Context, q Query) iter.Seq2[Object, error]

	// Locate finds an object by identity wherever it is now. The error wraps ErrNotFound if it was deleted or
	// is where the account cannot see it: the two cannot be told apart.
	Locate(ctx context.Context, id GUID, attrs []string) (Object, error)
}

// AbsenceVerifier is implemented by sources that can tell "no value" from "not yours to read". The engine asks
// before it believes that an attribute was cleared or that objects left.
//
// A Source that does not implement it is believed.
type AbsenceVerifier interface {
	// VerifyAbsent says for each attribute, which a read showed as absent, whether it is Absent or Unreadable.
	// The result has the length of attrs.
	VerifyAbsent(ctx context.Context, id GUID, attrs []string) ([]Presence, error)

	// VerifyListing says whether the account may list what is in c: Present if it may, Unreadable if not or if
	// that cannot be found out.
	VerifyListing(ctx context.Context, c Container) (Presence, error)
}
