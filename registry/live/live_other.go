//go:build !windows

package live

import (
	"runtime"

	"go.internal/hybridkit/registry"
)

func open(registry.View) (store, error) { return nil, &UnsupportedError{GOOS: runtime.GOOS} }
