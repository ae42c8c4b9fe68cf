package ldapdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// A Secret is a password that does not show: every way of printing it gives REDACTED. The zero Secret is none.
type Secret struct {
	reveal func(context.Context) (string, error)
}

// NewSecret holds a text.
func NewSecret(text string) Secret {
	return Secret{func(context.Context) (string, error) { return text, nil }}
}

// SecretFunc asks f at every bind, for secrets that come from a store and change.
func SecretFunc(f func(context.Context) (string, error)) Secret { return Secret{f} }

// SecretFile reads a file at every bind; one line break at its end is removed.
func SecretFile(path string) Secret {
	return Secret{func(context.Context) (string, error) {
		b, err := os.ReadFile(path)
		text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		if err == nil && text == "" {
			err = fmt.Errorf("the password file %s is empty", path)
		}
		return text, err
	}}
}

// Reveal returns the text. The zero Secret is an error.
func (s Secret) Reveal(ctx context.Context) (string, error) {
	if s.reveal == nil {
		return "", errors.New("no password is set")
	}
	return s.reveal(ctx)
}

const redacted = "REDACTED"

// Format prints REDACTED for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue logs REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
