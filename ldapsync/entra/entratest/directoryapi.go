package entratest

import (
	"errors"
	"fmt"
	"io"
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
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.insert(kind, data)
	if err != nil {
		panic("entratest: " + err.Error())
	}
	return id
}

// insert adds a decoded object after filling in what it lacks. The lock is held.
func (s *Server) insert(kind *resource, data Object) (string, error) {
	if why := s.known(kind, data); why != "" {
		return "", errors.New(why)
	}
	o := Object{}
	for name, v := range data {
		if !strings.Contains(name, "@") {
			o[name] = v
		}
	}
	if o.text("id") == "" {
		o["id"] = s.dir.newID()
	}
	if e := s.dir.ids[strings.ToLower(o.text("id"))]; e != nil {
		return "", errors.New("there is an object with id " + o.text("id"))
	}
	fill := func(name string, v any) {
		if _, ok := o[name]; !ok {
			o[name] = v
		}
	}
	n := len(s.dir.entities[kind]) + 1
	fill("accountEnabled", true)
	if kind == &userType {
		fill("userPrincipalName", fmt.Sprintf("user%d@ashdown.example", n))
		fill("displayName", o.text("userPrincipalName"))
	} else {
		fill("deviceId", s.dir.newID())
		fill("displayName", fmt.Sprintf("DEVICE-%d", n))
	}
	return s.dir.add(kind, o, false).id, nil
}

// MaxLoad is the number of bytes of one document that [Server.Load] takes.
const MaxLoad = 256 << 20

// Load adds the users and devices of a Graph document, such as what a GET of /users or /devices of a real tenant answered: a
// page with value, an array, or one object. An object is what its @odata.type says, else what has a userPrincipalName
// is a user and what has a deviceId a device. It returns how many were added; the first object that is neither, or has
// properties that its type does not, ends it with an error that names it. Directory extensions have to be defined before.
func (s *Server) Load(r io.Reader) (int, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxLoad+1))
	if err != nil {
		return 0, fmt.Errorf("entratest: %w", err)
	}
	if len(b) > MaxLoad {
		return 0, fmt.Errorf("entratest: more than %d bytes", MaxLoad)
	}
	v, err := decodeJSON(b)
	if err != nil {
		return 0, fmt.Errorf("entratest: %w", err)
	}
	list, ok := v.([]any)
	if m, isObject := v.(map[string]any); isObject {
		if list, ok = m["value"].([]any); !ok {
			list, ok = []any{m}, true
		}
	}
	if !ok {
		return 0, errors.New("entratest: neither an object nor an array")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, v := range list {
		o, _ := v.(map[string]any)
		kind := kindOf(o)
		if kind == nil {
			return i, fmt.Errorf("entratest: object %d is neither a user nor a device", i)
		}
		if _, err := s.insert(kind, o); err != nil {
			return i, fmt.Errorf("entratest: object %d (%s): %w", i, Object(o).text("displayName"), err)
		}
	}
	return len(list), nil
}

func kindOf(o Object) *resource {
	switch strings.TrimPrefix(o.text("@odata.type"), "#microsoft.graph.") {
	case "user":
		return &userType
	case "device":
		return &deviceType
	case "":
		if o.text("userPrincipalName") != "" {
			return &userType
		}
		if o.text("deviceId") != "" {
			return &deviceType
		}
	}
	return nil
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
	if why := s.known(kind, data); why != "" {
		panic("entratest: " + why)
	}
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
