package ldapsync

import "encoding/json"

// LinkInState reads what a state holds for a joined object, in either form, and returns its present form.
func LinkInState(raw []byte) (again []byte, err error) {
	l, err := decodeLink(raw)
	if err != nil {
		return nil, err
	}
	return appendLink(nil, l), nil
}

// LinkAsJSON returns the form that states had before the present one.
func LinkAsJSON(raw []byte) ([]byte, error) {
	l, err := decodeLink(raw)
	if err != nil {
		return nil, err
	}
	return json.Marshal(l)
}

// Spool puts records into a spool and calls check with each found again.
func Spool(dir string, records [][]byte, check func(i int, got []byte)) error {
	s := spool{dir: dir}
	defer s.close()
	places := make([]int64, len(records))
	for i, r := range records {
		at, err := s.add(r)
		if err != nil {
			return err
		}
		places[i] = at
	}
	for i, at := range places {
		rec, next, err := s.get(at)
		if err != nil {
			return err
		}
		if i+1 < len(places) && next != places[i+1] {
			panic("the next record is elsewhere")
		}
		check(i, rec)
	}
	return nil
}

// ObjectRoundTrip returns what a spool makes of o.
func ObjectRoundTrip(o Object) (*Object, error) { return decodeObject(appendObject(nil, &o)) }
