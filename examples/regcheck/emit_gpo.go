package main

import (
	"errors"

	"go.internal/hybridkit/registry"
)

func (a *app) emitGPO(schema registry.Schema, delta registry.Delta) (int, error) {
	return 0, errors.New("not available")
}
