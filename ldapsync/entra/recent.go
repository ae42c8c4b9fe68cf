package entra

import (
	"context"
	"time"

	"go.internal/hybridkit/ldapsync"
)

// A lock keeps two writes to one object apart.
type lock struct {
	turn  chan struct{}
	users int
}

func (t *Target) lock(ctx context.Context, id ldapsync.GUID) (func(), error) {
	t.mu.Lock()
	l := t.locks[id]
	if l == nil {
		l = &lock{turn: make(chan struct{}, 1)}
		t.locks[id] = l
	}
	l.users++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		if l.users--; l.users == 0 {
			delete(t.locks, id)
		}
		t.mu.Unlock()
	}
	select {
	case l.turn <- struct{}{}:
		return func() { <-l.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// recent is what was written to an object a moment ago, for reads that lag behind.
type recent struct {
	at    time.Time
	after map[string][]string // by property name
}

func (t *Target) settle() time.Duration {
	if t.cfg.Settle == 0 {
		return 15 * time.Second
	}
	return t.cfg.Settle
}

// wrote remembers a write, and forgets old ones.
func (t *Target) wrote(p *patch) {
	if t.settle() <= 0 {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.written)%1024 == 1023 {
		for id, r := range t.written {
			if now.Sub(r.at) > t.settle() {
				delete(t.written, id)
			}
		}
	}
	r, ok := t.written[p.id]
	if !ok || now.Sub(r.at) > t.settle() {
		r = recent{after: make(map[string][]string, len(p.edits))}
	}
	r.at = now
	for i, e := range p.edits {
		r.after[p.props[i].Name] = e.After
	}
	t.written[p.id] = r
}
