package adtest

import (
	"maps"
	"slices"
)

// A Snapshot is the data of a domain at one moment: objects, links, tombstones and the change
// counter. It can be restored any number of times. Accounts, denials and hooks are not part of it.
type Snapshot struct{ state state }

// Snapshot copies the directory.
func (s *Server) Snapshot() *Snapshot {
	s.dir.mu.RLock()
	defer s.dir.mu.RUnlock()
	return &Snapshot{s.dir.state.clone()}
}

// Restore puts the directory back, for all its domain controllers. USNs go back too, which is
// the USN rollback of a domain controller that was restored from an image; with SetInvocationID
// afterwards it is a restore as it should be. Open connections stay, no notification is sent.
func (s *Server) Restore(snap *Snapshot) {
	s.dir.mu.Lock()
	defer s.dir.mu.Unlock()
	s.dir.state = snap.state.clone()
}

// clone copies the tree; records are immutable and shared.
func (st state) clone() state {
	out := st
	copies := make(map[*node]*node, len(st.byGUID))
	for _, n := range st.order.nodes {
		if n != nil {
			c := *n
			copies[n] = &c
		}
	}
	list := func(l kidList) kidList {
		c := kidList{dnts: slices.Clone(l.dnts), nodes: make([]*node, len(l.nodes)), holes: l.holes}
		for i, n := range l.nodes {
			if n != nil {
				c.nodes[i] = copies[n]
			}
		}
		return c
	}
	for _, c := range copies {
		c.parent, c.nc = copies[c.parent], copies[c.nc]
		if c.kids != nil {
			k := &kids{byKey: make(map[string]*node, len(c.kids.byKey)), list: list(c.kids.list)}
			for key, n := range c.kids.byKey {
				k.byKey[key] = copies[n]
			}
			c.kids = k
		}
	}
	out.root, out.order = copies[st.root], list(st.order)
	out.byGUID = make(map[GUID]*node, len(st.byGUID))
	for g, n := range st.byGUID {
		out.byGUID[g] = copies[n]
	}
	out.index = make(map[*attrType]*index, len(st.index))
	for t, x := range st.index {
		c := &index{one: make(map[string]*node, len(x.one)), more: make(map[string][]*node, len(x.more))}
		for k, n := range x.one {
			c.one[k] = copies[n]
		}
		for k, l := range x.more {
			for _, n := range l {
				c.more[k] = append(c.more[k], copies[n])
			}
		}
		out.index[t] = c
	}
	out.back = maps.Clone(st.back)
	for g, l := range out.back {
		out.back[g] = slices.Clone(l)
	}
	return out
}
