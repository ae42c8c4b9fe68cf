package ldapsync

import "errors"

// Conditions that drivers and the engine report. Errors wrap them; test with errors.Is.
var (
	// ErrNotFound: no such object or container, or none that the account can see.
	ErrNotFound = errors.New("not found")
	// ErrExists: an object is already there.
	ErrExists = errors.New("already exists")
	// ErrPrecondition: the target is no longer as the plan saw it; nothing was written.
	ErrPrecondition = errors.New("changed since the plan was made")
	// ErrTransient: the same call may succeed later; nothing was written.
	ErrTransient = errors.New("temporary failure")
	// ErrUnclear: the answer was lost; the change may or may not have been made.
	ErrUnclear = errors.New("outcome unknown")
	// ErrPermission: the account lacks a right.
	ErrPermission = errors.New("permission denied")
	// ErrCredentials: the directory refused the account. Never retried: that could lock it out.
	ErrCredentials = errors.New("credentials refused")
	// ErrPartial: a read ended before it was complete; what it gave is not evidence of anything.
	ErrPartial = errors.New("read is incomplete")
	// ErrConflict: a commit to a State found something else than it expected.
	ErrConflict = errors.New("state changed underneath")
	// ErrStateInUse: another process holds the state.
	ErrStateInUse = errors.New("state is in use by another process")
	// ErrUnknownPlan: the state has no record of the plan.
	ErrUnknownPlan = errors.New("no such applied plan")
)
