package comgmt

// A Status is the outcome of a check.
type Status uint8

const (
	StatusUnknown       Status = iota // could not be checked: something was not given or could not be read
	StatusNotApplicable               // has no meaning here
	StatusPass
	StatusInfo    // worth knowing, nothing to do
	StatusWarning // works, but not the way it should
	StatusFailure // does not work, or will not
)

var statusNames = [...]string{"unknown", "not-applicable", "pass", "info", "warning", "failure"}

// String returns "unknown", "not-applicable", "pass", "info", "warning" or "failure"; these are also the values in JSON.
func (s Status) String() string { return nameOf(statusNames[:], int(s), "Status") }

// MarshalText returns the name; it fails off the table.
func (s Status) MarshalText() ([]byte, error) { return marshalName(statusNames[:], int(s), "Status") }

// UnmarshalText reads the name.
func (s *Status) UnmarshalText(b []byte) error { return unmarshalName(statusNames[:], s, b, "status") }

// Problem reports whether s is a warning or a failure.
func (s Status) Problem() bool { return s == StatusWarning || s == StatusFailure }

// A Finding is the outcome of one check on one subject. Lints return only what is not in order; checks such as
// [Preflight] return every outcome.
type Finding struct {
	Check   string `json:"check"` // id of a [Check]
	Status  Status `json:"status"`
	Subject string `json:"subject"` // what was looked at: a workload, a name, a device
	Message string `json:"message"` // what was found, one sentence
	// Evidence is what the finding was made from.
	Evidence []string `json:"evidence,omitempty"`
	// Remedy is what to do, empty where nothing is to be done.
	Remedy string `json:"remedy,omitempty"`
	Source string `json:"source"`
}

// A Check is one thing that can be found. Ids are part of the API.
type Check struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Remedy string `json:"remedy"`
	Source string `json:"source"`
}

// Checks returns every check of the package: of plans, steps between plans, client installation, the cloud
// management gateway and the preconditions of enrolment, in this order. The slice is the caller's.
func Checks() []Check {
	var out []Check
	for _, group := range checkGroups() {
		out = append(out, group...)
	}
	return out
}

func checkGroups() [5][]Check {
	return [...][]Check{planChecks[:], stepChecks[:], ccmsetupChecks[:], cmgChecks[:], preflightChecks[:]}
}

// CheckByID returns the check with the given id; ok is false if there is none.
func CheckByID(id string) (c Check, ok bool) {
	for _, group := range checkGroups() {
		for _, c := range group {
			if c.ID == id {
				return c, true
			}
		}
	}
	return Check{}, false
}

// find makes a finding of the check with the given id. Only a problem or a note carries the remedy: what to do about
// something that could not be checked is to check it.
func find(id string, status Status, subject, message string, evidence ...string) Finding {
	c, _ := CheckByID(id)
	f := Finding{Check: id, Status: status, Subject: subject, Message: message, Evidence: evidence, Source: c.Source}
	if status >= StatusInfo || id == CheckCMGNotResolving {
		f.Remedy = c.Remedy
	}
	return f
}

// Problems reports whether any finding is a warning or a failure.
func Problems(fs []Finding) bool {
	for _, f := range fs {
		if f.Status.Problem() {
			return true
		}
	}
	return false
}
