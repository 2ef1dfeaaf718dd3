// The shared library is made of com, wire, sdk and this folder; this file only gives it a source of its own.
extern "C" __attribute__((visibility("hidden"))) const char vds_provider_library_is_made_of_parts[] = "com wire sdk";
