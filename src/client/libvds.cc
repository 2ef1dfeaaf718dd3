// The shared library is made of com, wire and client; this file only gives it a source of its own.
extern "C" __attribute__((visibility("hidden"))) const char vds_library_is_made_of_parts[] = "com wire client";
