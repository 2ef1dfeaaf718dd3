# vds_idl_generate(TARGET name BACKEND wire OUTDIR dir OUTPUTS a.h b.cc ...): runs tools/idlc over idl/*.idl at build time.
# OUTPUTS are relative to OUTDIR (default ${VDS_GENERATED}/BACKEND). A target that compiles an output lists the file (it is
# GENERATED in the calling directory only) or depends on TARGET (default vds_idl_BACKEND).
file(GLOB VDS_IDL_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/idl/*.idl)
file(GLOB VDS_IDLC_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/idlc/*.py)

function(vds_idl_generate)
  cmake_parse_arguments(ARG "" "TARGET;BACKEND;OUTDIR" "OUTPUTS" ${ARGN})
  if(NOT ARG_OUTDIR)
    set(ARG_OUTDIR ${VDS_GENERATED}/${ARG_BACKEND})
  endif()
  if(NOT ARG_TARGET)
    set(ARG_TARGET vds_idl_${ARG_BACKEND})
  endif()
  # A back end may be one module or a module with helpers beside it named BACKEND_*.py.
  file(GLOB backend_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tools/idlc/backends/${ARG_BACKEND}.py
       ${CMAKE_SOURCE_DIR}/tools/idlc/backends/${ARG_BACKEND}_*.py)
  list(TRANSFORM ARG_OUTPUTS PREPEND ${ARG_OUTDIR}/ OUTPUT_VARIABLE outputs)
  # Outputs that did not change keep their time; the stamp carries the news for the build.
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${ARG_TARGET}.stamp)
  add_custom_command(
    OUTPUT ${stamp}
    BYPRODUCTS ${outputs}
    COMMAND ${Python3_EXECUTABLE} -B ${CMAKE_SOURCE_DIR}/tools/idlc/idlc.py --backend ${ARG_BACKEND} --out ${ARG_OUTDIR} ${VDS_IDL_FILES}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${VDS_IDL_FILES} ${VDS_IDLC_FILES} ${CMAKE_SOURCE_DIR}/tools/idlc/backends/__init__.py ${backend_files}
    COMMENT "idlc ${ARG_BACKEND}"
    VERBATIM)
  add_custom_target(${ARG_TARGET} DEPENDS ${stamp})
endfunction()
