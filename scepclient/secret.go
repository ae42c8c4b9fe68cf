package scepclient

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// A Secret holds a challenge password. Its text cannot be printed: every verb of fmt, JSON, slog and
// reflection show REDACTED or nothing. The zero Secret is no challenge. Secrets are safe to copy and share.
type Secret struct{ reveal func() string }

// NewSecret wraps s. An empty s gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// IsZero reports whether there is no challenge.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Reveal returns the text. Use it only to hand the challenge on.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

const redacted = "REDACTED"

// Format writes REDACTED for every verb and flag.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// String returns REDACTED.
func (Secret) String() string { return redacted }

// LogValue returns REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns REDACTED, so that a Secret inside a JSON value does not leak. It cannot be read back.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText fails: MarshalText writes no secret, and a configuration file is no place for one.
func (*Secret) UnmarshalText([]byte) error {
	return errors.New("scepclient: a Secret cannot be read from text; use NewSecret")
}
