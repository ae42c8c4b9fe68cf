package live

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"

	"go.internal/hybridkit/registry"
)

// The package golang.org/x/sys/windows/registry turns names into UTF-8 and loses unpaired surrogates, so the
// functions of winreg.h that x/sys/windows does not have are called here.
var (
	advapi32      = windows.NewLazySystemDLL("advapi32.dll")
	regOpenKey    = advapi32.NewProc("RegOpenKeyExW")
	regCreateKey  = advapi32.NewProc("RegCreateKeyExW")
	regEnumKey    = advapi32.NewProc("RegEnumKeyExW")
	regEnumValue  = advapi32.NewProc("RegEnumValueW")
	regSetValue   = advapi32.NewProc("RegSetValueExW")
	regDeleteVal  = advapi32.NewProc("RegDeleteValueW")
	regDeleteKey  = advapi32.NewProc("RegDeleteKeyExW")
	errMoreData   = syscall.Errno(windows.ERROR_MORE_DATA)
	errNoMore     = syscall.Errno(windows.ERROR_NO_MORE_ITEMS)
	errNotFound   = syscall.Errno(windows.ERROR_FILE_NOT_FOUND)
	errNoPath     = syscall.Errno(windows.ERROR_PATH_NOT_FOUND)
	errKeyDeleted = syscall.Errno(1018) // ERROR_KEY_DELETED
)

// roots are the predefined handles of winreg.h.
var roots = map[registry.Hive]windows.Handle{
	registry.ClassesRoot: 0x80000000, registry.CurrentUser: 0x80000001, registry.LocalMachine: 0x80000002,
	registry.Users: 0x80000003, registry.CurrentConfig: 0x80000005,
}

const (
	accessRead  = windows.KEY_READ
	accessWrite = windows.KEY_READ | windows.KEY_WRITE
	maxValue    = 1 << 30 // bytes of data; more than a hive can hold
)

type winStore struct{ view uintptr }

func open(v registry.View) (store, error) {
	if v == registry.View32 {
		return winStore{windows.KEY_WOW64_32KEY}, nil
	}
	return winStore{windows.KEY_WOW64_64KEY}, nil
}

// call calls a function that returns an error code. Pointers among args must be converted in the call itself: the
// directive keeps what they point to alive and in place.
//
//go:uintptrescapes
func call(p *windows.LazyProc, args ...uintptr) error {
	if r, _, _ := p.Call(args...); r != 0 {
		return syscall.Errno(r)
	}
	return nil
}

var errNUL = errors.New("a name with a NUL cannot be reached through the Win32 interface")

// wide returns s with a terminating NUL.
func wide(s string) (*uint16, error) {
	b := registry.AppendUTF16(make([]byte, 0, 2*len(s)+2), s)
	u := make([]uint16, len(b)/2+1)
	for i := range len(u) - 1 {
		if u[i] = uint16(b[2*i]) | uint16(b[2*i+1])<<8; u[i] == 0 {
			return nil, errNUL
		}
	}
	return &u[0], nil
}

func narrow(u []uint16) string {
	b := make([]byte, 0, 2*len(u))
	for _, c := range u {
		b = append(b, byte(c), byte(c>>8))
	}
	return registry.FromUTF16(b)
}

// handle opens or creates p.
func (s winStore) handle(p registry.Path, access uintptr, create bool) (windows.Handle, error) {
	root, ok := roots[p.Hive]
	if !ok {
		return 0, errNotFound
	}
	name, err := wide(p.Key)
	if err != nil {
		return 0, err
	}
	var h windows.Handle
	if create {
		err = call(regCreateKey, uintptr(root), uintptr(unsafe.Pointer(name)), 0, 0, 0, access|s.view, 0, uintptr(unsafe.Pointer(&h)), 0)
	} else {
		err = call(regOpenKey, uintptr(root), uintptr(unsafe.Pointer(name)), 0, access|s.view, uintptr(unsafe.Pointer(&h)))
	}
	return h, err
}

func missing(err error) bool {
	return errors.Is(err, errNotFound) || errors.Is(err, errNoPath) || errors.Is(err, errKeyDeleted)
}

func (s winStore) key(p registry.Path) (values []registry.Item, subs []string, ok bool, err error) {
	h, err := s.handle(p, accessRead, false)
	if missing(err) {
		return nil, nil, false, nil
	}
	if err != nil {
		return nil, nil, false, &KeyError{Op: "open", Path: p, Err: err}
	}
	defer windows.RegCloseKey(h)
	if values, err = enumValues(h); err == nil {
		subs, err = enumKeys(h)
	}
	if err != nil {
		return nil, nil, false, &KeyError{Op: "read", Path: p, Err: err}
	}
	return values, subs, true, nil
}

func (s winStore) link(p registry.Path) (bool, error) {
	const openLink, typeLink = 8, 6 // REG_OPTION_OPEN_LINK, REG_LINK
	root, ok := roots[p.Hive]
	if !ok || p.Key == "" {
		return false, nil
	}
	name, err := wide(p.Key)
	if err != nil {
		return false, &KeyError{Op: "open", Path: p, Err: err}
	}
	var h windows.Handle
	err = call(regOpenKey, uintptr(root), uintptr(unsafe.Pointer(name)), openLink, windows.KEY_QUERY_VALUE|s.view, uintptr(unsafe.Pointer(&h)))
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, &KeyError{Op: "open", Path: p, Err: err}
	}
	defer windows.RegCloseKey(h)
	value, err := windows.UTF16PtrFromString("SymbolicLinkValue")
	if err != nil {
		return false, err
	}
	var typ uint32
	err = windows.RegQueryValueEx(h, value, nil, &typ, nil, nil)
	return err == nil && typ == typeLink, nil
}

func enumValues(h windows.Handle) (values []registry.Item, err error) {
	name := make([]uint16, 16384) // a value name has at most 16,383 characters
	data := make([]byte, 4096)
	for i := 0; ; {
		n, size, typ := uint32(len(name)), uint32(len(data)), uint32(0)
		err := call(regEnumValue, uintptr(h), uintptr(i), uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&n)), 0, uintptr(unsafe.Pointer(&typ)), uintptr(unsafe.Pointer(&data[0])), uintptr(unsafe.Pointer(&size)))
		switch {
		case errors.Is(err, errNoMore):
			return values, nil
		case errors.Is(err, errMoreData):
			if size > maxValue || int(size) <= len(data) && len(data) > maxValue/2 {
				return nil, err
			}
			data = make([]byte, max(int(size), 2*len(data)))
			continue
		case err != nil:
			return nil, err
		}
		values = append(values, registry.Item{Name: narrow(name[:n]),
			Value: registry.Value{Type: registry.Type(typ), Data: append([]byte(nil), data[:size]...)}})
		i++
	}
}

func enumKeys(h windows.Handle) (subs []string, err error) {
	name := make([]uint16, 256) // a key name has at most 255 characters
	for i := 0; ; i++ {
		n := uint32(len(name))
		err := call(regEnumKey, uintptr(h), uintptr(i), uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&n)), 0, 0, 0, 0)
		switch {
		case errors.Is(err, errNoMore):
			return subs, nil
		case err != nil:
			return nil, err
		}
		subs = append(subs, narrow(name[:n]))
	}
}

func (s winStore) create(p registry.Path) error {
	h, err := s.handle(p, accessWrite, true)
	if err != nil {
		return &KeyError{Op: "create", Path: p, Err: err}
	}
	return windows.RegCloseKey(h)
}

func (s winStore) set(p registry.Path, name string, v registry.Value) error {
	// RegSetValueEx looks behind a string that lacks its NUL and takes one that happens to be there.
	data := append(append(make([]byte, 0, len(v.Data)+4), v.Data...), 0xFF, 0xFF, 0xFF, 0xFF)
	err := s.with(p, name, func(h windows.Handle, name *uint16) error {
		return call(regSetValue, uintptr(h), uintptr(unsafe.Pointer(name)), 0, uintptr(v.Type),
			uintptr(unsafe.Pointer(&data[0])), uintptr(len(v.Data)))
	})
	if err != nil {
		return &KeyError{Op: "set", Path: p, Name: name, Err: err}
	}
	return nil
}

func (s winStore) deleteValue(p registry.Path, name string) error {
	err := s.with(p, name, func(h windows.Handle, name *uint16) error {
		return call(regDeleteVal, uintptr(h), uintptr(unsafe.Pointer(name)))
	})
	if err != nil && !missing(err) {
		return &KeyError{Op: "delete value", Path: p, Name: name, Err: err}
	}
	return nil
}

// with opens p for writing.
func (s winStore) with(p registry.Path, name string, do func(windows.Handle, *uint16) error) error {
	w, err := wide(name)
	if err != nil {
		return err
	}
	h, err := s.handle(p, accessWrite, false)
	if err != nil {
		return err
	}
	defer windows.RegCloseKey(h)
	return do(h, w)
}

func (s winStore) deleteKey(p registry.Path) error {
	name, err := wide(p.Key)
	if err == nil {
		err = call(regDeleteKey, uintptr(roots[p.Hive]), uintptr(unsafe.Pointer(name)), s.view, 0)
	}
	if err != nil && !missing(err) {
		return &KeyError{Op: "delete key", Path: p, Err: err}
	}
	return nil
}
