package entratest

import (
	"fmt"
	"slices"
	"strings"
)

// AddUser adds a user as if it had always been there, without the checks, limits and delays of a request, and returns its
// id. Read-only properties may be set, which is how a test makes a user synchronised from Active Directory; a property
// that users do not have, or a value of the wrong type, panics, since it is a mistake in the test. Missing id,
// userPrincipalName, displayName and accountEnabled are filled in.
func (s *Server) AddUser(o Object) string { return s.add(&userType, o) }

// AddDevice adds a device like [Server.AddUser]. Missing id, deviceId, displayName and accountEnabled are filled in.
func (s *Server) AddDevice(o Object) string { return s.add(&deviceType, o) }

func (s *Server) add(kind *resource, o Object) string {
	data, err := normal(o)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	if data == nil {
		data = Object{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mustCheck(kind, s, data)
	if data.text("id") == "" {
		data["id"] = s.dir.newID()
	}
	if e := s.dir.ids[strings.ToLower(data.text("id"))]; e != nil {
		panic("entratest: there is an object with id " + data.text("id"))
	}
	fill := func(name string, v any) {
		if _, ok := data[name]; !ok {
			data[name] = v
		}
	}
	n := len(s.dir.entities[kind]) + 1
	fill("accountEnabled", true)
	if kind == &userType {
		fill("userPrincipalName", fmt.Sprintf("user%d@ashdown.example", n))
		fill("displayName", data.text("userPrincipalName"))
	} else {
		fill("deviceId", s.dir.newID())
		fill("displayName", fmt.Sprintf("DEVICE-%d", n))
	}
	return s.dir.add(kind, data, false).id
}

// User returns the state of a user by id or user principal name, whatever readers already see of it. It reports false for
// a user that does not exist or is in the recycle bin.
func (s *Server) User(key string) (Object, bool) { return s.get(&userType, key) }

// Device returns the state of a device by id or deviceId, like [Server.User].
func (s *Server) Device(key string) (Object, bool) { return s.get(&deviceType, key) }

func (s *Server) get(kind *resource, key string) (Object, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.lookup(kind, key)
	if e == nil {
		return nil, false
	}
	return cloneObject(e.now.data), true
}

// lookup finds what exists by any of its names. The lock is held.
func (s *Server) lookup(kind *resource, key string) *entity {
	e := s.dir.find(kind, key)
	if e == nil && kind == &deviceType {
		e = s.dir.findBy(kind, "deviceId", key)
	}
	if e == nil || e.now.deleted != "" {
		return nil
	}
	return e
}

// Users returns the state of all users in the order they were added.
func (s *Server) Users() []Object { return s.list(&userType) }

// Devices returns the state of all devices in the order they were added.
func (s *Server) Devices() []Object { return s.list(&deviceType) }

func (s *Server) list(kind *resource) []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Object
	for _, e := range s.dir.entities[kind] {
		if e.now.deleted == "" {
			all = append(all, cloneObject(e.now.data))
		}
	}
	return all
}

// SetUser changes properties of a user the way somebody else would: an administrator, or Microsoft Entra Connect. A nil
// value clears. Every reader sees it at once and the next delta has it. It reports whether the user exists.
func (s *Server) SetUser(key string, o Object) bool { return s.set(&userType, key, o) }

// SetDevice changes properties of a device, like [Server.SetUser].
func (s *Server) SetDevice(key string, o Object) bool { return s.set(&deviceType, key, o) }

func (s *Server) set(kind *resource, key string, o Object) bool {
	data, err := normal(o)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	mustCheck(kind, s, data)
	e := s.lookup(kind, key)
	if e == nil {
		return false
	}
	s.dir.commit(e, state{data: merge(e.now.data, data)}, false)
	return true
}

// DeleteUser removes a user: into the recycle bin, or for good. It reports whether the user existed.
func (s *Server) DeleteUser(key string, forGood bool) bool { return s.remove(&userType, key, forGood) }

// DeleteDevice removes a device, always for good.
func (s *Server) DeleteDevice(key string) bool { return s.remove(&deviceType, key, true) }

func (s *Server) remove(kind *resource, key string, forGood bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.lookup(kind, key)
	if e == nil {
		return false
	}
	s.dir.commit(e, e.now.gone(forGood, s.clock()), false)
	return true
}

// AddOwner makes a user a registered owner, and a registered user, of a device. It panics if one of them is missing.
func (s *Server) AddOwner(device, user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, u := s.lookup(&deviceType, device), s.lookup(&userType, user)
	if d == nil || u == nil {
		panic("entratest: AddOwner: no device " + device + " or no user " + user)
	}
	if !slices.Contains(d.owners, u.id) {
		d.owners = append(d.owners, u.id)
		d.users = append(d.users, u.id)
	}
}

// ExpireDelta makes every delta and skip token that was given so far 410 syncStateNotFound.
func (s *Server) ExpireDelta() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}
