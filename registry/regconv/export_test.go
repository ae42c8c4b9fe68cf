package regconv

// MountByName is tested on its own, because a test cannot make a hive.
var MountByName = mountByName
