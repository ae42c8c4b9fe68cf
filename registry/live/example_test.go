package live_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.internal/hybridkit/registry"
	"go.internal/hybridkit/registry/live"
)

func Example() {
	ctx := context.Background()
	mscep := registry.HKLM(`SOFTWARE\Microsoft\Cryptography\MSCEP`)
	snapshot, err := live.Read(ctx, []registry.Path{mscep}, live.Options{})
	if errors.Is(err, errors.ErrUnsupported) {
		fmt.Println("read an export instead")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	for it := range snapshot.Below(mscep) {
		fmt.Println(it.Path.Short(), it.Name, it.Value)
	}
}

func ExampleApply() {
	rollback, err := os.Create("rollback.reg")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rollback.Close()
	delta := registry.Delta{{Op: registry.Set, Path: registry.HKLM(`SOFTWARE\Microsoft\Cryptography\MSCEP`),
		Name: "SignatureTemplate", Value: registry.String("AshdownNDES")}}
	undo, err := live.Apply(context.Background(), delta, live.Options{Rollback: rollback})
	if err != nil {
		fmt.Println(err) // says whether everything was taken back
		return
	}
	fmt.Println(len(undo), "changes would take it back")
}
